"""The formats in which partners write: each becomes rows of the contract's columns as text, with what is wrong said."""
