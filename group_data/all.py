"""What every host shares. docs/reference.md lists every setting with its default."""

stack = "starter"
data_root = "/srv/gpufleet"
