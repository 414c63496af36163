"""Print what ``get_config`` makes of ini files. Run by the interpreter of an installation: configdump.py
FILE...

One JSON array on stdout: for each file the dictionary, or the types (with their bases) and the text of the
error.
"""

import json
import sys

sys.path.pop(0)  # the directory of this file

from circus.config import get_config

found = []
for path in sys.argv[1:]:
    try:
        found.append(get_config(path))
    except BaseException as error:
        found.append([[cls.__name__ for cls in type(error).__mro__], str(error)])
json.dump(found, sys.stdout, default=repr)
