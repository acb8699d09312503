"""What a person reads: the figures, the page, the model card and the notebook's snippets.

Import from the modules themselves, so that a card or a snippet does not load matplotlib.
"""
