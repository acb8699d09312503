"""One torch thread a process: the suite runs in as many processes as there are cores, and shares them.

Compiled programs of the person who runs the tests are left alone: there is nowhere to keep any.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ["COTERIE_CACHE"] = os.devnull
