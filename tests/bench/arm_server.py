"""An ssh server for 64-bit Arm, emulated: sshd, shell and runner are Arm programs in a folder of their own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bench.loopback import Server

CORE = "cortex-a72"
_PACKAGES = "openssh-server,bash,dash,coreutils,grep,sed,findutils,mawk,libc-bin,libstdc++6"
_FORMATS = Path("/proc/sys/fs/binfmt_misc")
_FORMAT = "edgenet-aarch64"
_MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


class ArmServer(Server):
    """Root alone can start it: it registers QEMU for Arm programs with the kernel until it is closed."""

    variables = f"QEMU_CPU={CORE}"

    def __init__(self, folder: Path, cpuinfo: str) -> None:
        if os.geteuid() != 0:
            pytest.fail("An emulated board needs root, which registers QEMU with the kernel and changes root folders.")
        self.root = folder / "root"
        how = ("--architectures=arm64", "--variant=extract", f"--include={_PACKAGES}")
        _run("mmdebstrap", "-q", *how, "bookworm", self.root)
        # No package has been configured: users and the privilege separation's folder are missing.
        users = "root:x:0:0:root:/root:/bin/bash\nsshd:x:100:65534::/run/sshd:/bin/false\n"
        (self.root / "etc/passwd").write_text(users)
        (self.root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
        for name in ("proc", "dev", "run/sshd", "root", "srv"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (folder / "cpuinfo").write_text(cpuinfo)
        _register(_static_qemu(folder))
        super().__init__(self.root / "srv", self.root / "srv/home")

    def seen(self, path: Path) -> Path:
        return Path("/") / path.relative_to(self.root)

    def command(self, sshd: str, config: Path) -> list[str | Path]:
        root, cpuinfo = self.root, self.root.parent / "cpuinfo"
        mounts = (
            f"mount -t proc proc {root}/proc",
            f"mount --bind {cpuinfo} {root}/proc/cpuinfo",
            f"mount --rbind /dev {root}/dev",
        )
        # What is mounted is gone with the server.
        server = f"exec chroot {root} /usr/sbin/sshd -D -e -f {config}"
        return ["unshare", "--mount", "sh", "-c", " && ".join((*mounts, server))]

    def close(self) -> None:
        super().close()
        _unregister()


def _static_qemu(folder: Path) -> Path:
    _run("apt-get", "download", "-qq", "qemu-user-static", cwd=folder)
    (package,) = folder.glob("qemu-user-static_*.deb")
    _run("dpkg", "-x", package, folder / "qemu")
    return folder / "qemu/usr/bin/qemu-aarch64-static"


def _register(qemu: Path) -> None:
    if not (_FORMATS / "register").exists():
        _run("mount", "-t", "binfmt_misc", "binfmt_misc", _FORMATS)
    _unregister()
    (_FORMATS / "register").write_text(f":{_FORMAT}:M::{_MAGIC}:{_MASK}:{qemu}:F")


def _unregister() -> None:
    if (_FORMATS / _FORMAT).exists():
        (_FORMATS / _FORMAT).write_text("-1")


def _run(program: str, *arguments: str | Path, cwd: Path | None = None) -> None:
    if shutil.which(program) is None:
        pytest.fail(f"{program} is missing; install it (Debian: apt-get install mmdebstrap openssh-client).")
    done = subprocess.run([program, *arguments], cwd=cwd, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{program}: {done.stderr}"
