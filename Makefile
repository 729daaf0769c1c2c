# make demo   trains ResNet-18 at full precision, with 1-bit weights and with 1-bit weights and activations, exports and measures
# make test   formatting, types, C++ tests, Python tests
# make wheel-aarch64  dist/*_aarch64.whl, cross-built: pip installs it on a 64-bit Raspberry Pi OS
# make test-compat    exported files on other versions of ONNX Runtime and on every Python from 3.11 to 3.13 that is on the path
# make test-board     an emulated Arm board that is reached by ssh; as root
# make test-devices   apps, emulated boards and chips: installs Debian packages (as root, or by sudo), then tests with them
#
# PYTHON=python3.12         another interpreter for .venv
# TORCH_INDEX=URL           a package index of your own for PyTorch (one with CPU-only or CUDA builds)

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
NATIVE_SOURCES := CMakeLists.txt $(shell find export/ops export/runner -name '*.cpp' -o -name '*.h' -o -name 'CMakeLists.txt' -o -name '*.cmake')
# What the tests marked `devices` need, in Debian's names.
DEVICE_PACKAGES := g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user chromium-headless-shell openssh-server openssh-client llvm-19 \
  gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm clang lld wasi-libc
# Node's own packages bring npm, Debian's does not.
DEVICE_PACKAGES += $(if $(shell command -v npm),,nodejs npm)
CPP_FILES = $(shell git ls-files --cached --others --exclude-standard '*.cpp' '*.h' '*.c')

.PHONY: help demo test wheel-aarch64 test-compat test-board test-devices device-packages lint test-cpp test-python format check-python check-compiler clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

demo: $(VENV)/.train
	$(BIN)/edgenet binarize resnet18 --resume
	$(BIN)/edgenet bench --device cpu

test: lint test-cpp test-python

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP_FILES)

test-cpp: check-compiler $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build/test -G Ninja -DCMAKE_BUILD_TYPE=Release -DEDGENET_BUILD_TESTS=ON
	$(BIN)/cmake --build build/test
	$(BIN)/ctest --test-dir build/test --output-on-failure

# A process a core, each with one thread; the tests of a file share what they trained.
test-python: check-compiler $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

# The platform that the library and the runner keep to (export/ops/cmake/aarch64.cmake).
wheel-aarch64: $(VENV)/bin/python
	_PYTHON_HOST_PLATFORM=manylinux_2_28-aarch64 $(PIP) wheel --quiet --no-deps --wheel-dir dist \
	  --config-settings cmake.define.CMAKE_TOOLCHAIN_FILE=$(CURDIR)/export/ops/cmake/aarch64.cmake .

test-compat: check-compiler $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m compat -rs

test-devices: check-compiler $(VENV)/.dev device-packages
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m devices --numprocesses auto --dist loadfile --durations 10

BOARD_PACKAGES := mmdebstrap openssh-client g++-aarch64-linux-gnu libc6-dev-arm64-cross
test-board: check-compiler $(VENV)/.dev
	$(MAKE) device-packages DEVICE_PACKAGES="$(BOARD_PACKAGES)"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m board

# Asks the network only where a package is missing.
device-packages:
	@missing=""; for package in $(DEVICE_PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	[ -z "$$missing" ] && exit 0; \
	command -v apt-get >/dev/null || { echo "These tests need, in Debian's names:$$missing. Install what your system calls them."; exit 1; }; \
	[ "$$(id -u)" = 0 ] && sudo="" || sudo=sudo; \
	echo "Installing$$missing"; \
	$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null || { \
	  echo "These packages could not be installed:$$missing. Install them and run it again."; exit 1; }

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CPP_FILES)

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "edgenet needs Python 3.11 or newer as '$(PYTHON)'. Install one (Debian 12: apt-get install python3 python3-venv) or name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments. Install the missing package (Debian: apt-get install python3-venv)."; exit 1; }

check-compiler:
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || [ -n "$$CXX" ] || { \
	  echo "The tests need a C++17 compiler. Install one (Debian: apt-get install g++)."; exit 1; }

$(VENV)/bin/python: | check-python
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.train: $(VENV)/.torch pyproject.toml $(NATIVE_SOURCES)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.train
	$(PIP) install --quiet --constraint constraints.txt --editable '.[train,data,dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist
