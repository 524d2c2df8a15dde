"""Turn Linux boxes with GPUs into running, self-hosted AI stacks.

Data goes down, commands come out, pyinfra is only at the edge:
``errors <- schema <- catalog <- plan <- render <- facts <- deploys``.
"""

__version__ = "0.1.0"
