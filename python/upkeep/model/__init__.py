"""The nouns of the program: what was seen, judged and due. Standard library only."""
