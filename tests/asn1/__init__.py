"""Files of ASN.1 made for tests by encoders that know nothing of the decoder.

Where does a line belong?
-------------------------
- ``modules.py``: the two libraries, told the same. ``values.py``: a random value of any of their types.
- ``ber.py``: BER as a tree, and every way to write it.
- ``tap.py``, ``ts32298.py``: random files of usage and what they mean. ``chf.py``: charging records, for which no
  library has a module. ``ts32297.py``: headers of files and records.

Conventions
-----------
- What is expected is formed from the value, never from its octets.
- No module text, no real file and nothing cut from one is here.
"""
