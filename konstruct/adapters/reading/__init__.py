"""DocumentReader and PictureReader: what strangers made is taken apart in a child process of its own, which can do no
harm when it fails.

`reader.py` and `pictures.py` are the parent's side, and the only ones that the rest may import; `children.py` runs the
programs of the other side, `child.py` and `picture_child.py`. What these import has to stay small, since they start
once a document or picture.
"""
