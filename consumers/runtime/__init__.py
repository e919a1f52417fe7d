"""The loop and what it decides by: who runs next, what is committed, when to try again."""
