"""The words of a question, the same for each peer that takes words. Engram takes the text."""

import re

# Those that Engram leaves out of a query, too: a peer that looked for them would read the lists of nearly all memories.
STOP = set(
    """a an the and or of to in on at for with is are was were be been did do does has have had i you he she it we they my your his her its our
    their this that these those what when where who which how why s t m re ve ll d""".split())


def of_question(text):
    found = re.findall(r"[a-z0-9]+", text.lower())
    return [word for word in dict.fromkeys(found) if word not in STOP] or found
