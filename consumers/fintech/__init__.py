"""A stand-in for the partner that settles money: for tests, demos and rehearsals, never for money.

``app`` answers as the partner does, ``ledger`` is its book, ``faults`` makes it fail on request.
The client of it is `consumers.game.fintech`; the two share no code, as they would not in life.
"""
