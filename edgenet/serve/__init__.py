"""A small web server that shows exported networks running in the browser. Never imports torch."""

from edgenet.serve.networks import Offer, offer
from edgenet.serve.page import page_folder
from edgenet.serve.server import make_server
from edgenet.serve.web_runtime import FILES, VERSION, find_runtime

__all__ = ["FILES", "VERSION", "Offer", "find_runtime", "make_server", "offer", "page_folder"]
