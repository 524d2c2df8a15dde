"""Deploys: how a host gets there. One module a concern; ``site`` holds the order."""

from .apply import apply
from .destroy import destroy
from .doctor import doctor
from .forecast import forecast
from .purge import purge
from .stock import stock

__all__ = ["apply", "destroy", "doctor", "forecast", "purge", "stock"]
