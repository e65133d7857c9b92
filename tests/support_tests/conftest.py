"""What is collected only where the samples of real channels are at hand."""

import os

collect_ignore = [] if os.environ.get("KONSTRUCT_CORPORA") else ["test_graph_corpora.py"]
