"""What `gpufleet bundle` does: what hosts need, brought into a directory that a web server gives on."""
