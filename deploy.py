"""The entry point: ``pyinfra INVENTORY deploy.py`` brings every host to what its groups and data say."""

from gpufleet.deploys.site import site

site()
