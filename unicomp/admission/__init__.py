"""Whether a folder may be measured: every weight is there, is read, and is a number.

`unicomp.data.model_folder.check_folder` comes first, in the process that collects: it needs no
torch. The checks here load transformers, so they run in a process of their own (`worker`), once for
each content of a folder (`register`), before anything is built or measured.
"""
