"""Deploys: how a host gets there. One module a concern; ``site`` holds the order."""

from .doctor import doctor

__all__ = ["doctor"]
