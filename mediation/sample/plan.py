"""Which files there will be, which pieces they are made of, and which records they share.

Conventions
-----------
- Per feed: `days` × `files` ordinary files in order of time, the first a small one (night); that one sent again under
  the next sequence number of its day; and a small file of the day after with what came late.
- Sources are ordered by (feed, date, sequence, name): `Source.order` is that key.
- A piece hands its specials to the piece of the same number in the next file. The last file's first piece hands the
  late ones and half of the repeated ones to the day after, and the other half back to the first file, where the
  repeats come before their originals.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from mediation.errors import UsageError

PIECE_RECORDS = 16_384
FIRST_FILE_WEIGHT = 0.12
LATE_FILE_WEIGHT = 0.06
SPECIAL_EVERY = 50  # one special in so many records
COPIES_EVERY = 100  # one record in so many is repeated in its own piece
EVERYTHING, LATE, EVEN, ODD = "everything", "late", "even", "odd"


class Delivery(NamedTuple):
    """Specials of another piece that a piece holds."""

    piece: int
    share: str


class Piece(NamedTuple):
    """A part of a file."""

    number: int
    records: int
    first_s: int
    seconds: int
    specials: int
    receives: tuple[Delivery, ...]


class Source(NamedTuple):
    """A file to write."""

    feed: str
    name: str
    date: dt.date
    sequence: int
    pieces: tuple[Piece, ...]
    repeated: bool  # another file has the same records
    refused: bool  # its trailer or header counts one record too many

    @property
    def records(self) -> int:
        """In all its pieces."""
        return sum(piece.records for piece in self.pieces)

    @property
    def order(self) -> tuple[str, dt.date, int, str]:
        """The key that sources are ordered by."""
        return self.feed, self.date, self.sequence, self.name


def file_name(template: str, date: dt.date, sequence: int, compression: str) -> str:
    """A name that follows the feed's template."""
    head, brace, tail = template.partition("{sequence")
    if brace:
        digits, _, rest = tail.partition("}")
        width = int(digits[1:]) if digits else 4
        template = f"{head}{sequence:0{width}d}{rest}"
    name = template.replace("{date}", f"{date:%Y%m%d}").replace("*", "A")
    ending = {"gzip": ".gz", "zstd": ".zst"}.get(compression, "")
    return name if name.endswith(ending) else name + ending


def special_records(number: int) -> int:
    """How many specials a piece of so many records has."""
    return number // SPECIAL_EVERY


def _shares(records: int, weights: list[float]) -> list[int]:
    """Split a number by weights; the last part takes what is left."""
    parts = [int(records * weight / sum(weights)) for weight in weights[:-1]]
    return [*parts, records - sum(parts)]


def plan_feed(name: str, feed, records: int, date: dt.date, days: int, files: int, begin_s: int, faults: bool):
    """The files of one feed.

    Parameters
    ----------
    name, feed
        The feed and its declaration.
    records : int
        In all files together, those that are sent again counted again.
    date, days, files
        First day, how many, and ordinary files a day.
    begin_s : int
        When the first day begins, UTC seconds.
    faults : bool
        Add a file whose count is wrong.
    """
    count = days * files
    weights = [FIRST_FILE_WEIGHT] + [1.0] * (count - 1)
    first, late, *others = _shares(records, [FIRST_FILE_WEIGHT * 2, LATE_FILE_WEIGHT, *weights[1:]])
    if not others:
        raise UsageError("files: at least two for each feed, over all days")
    sizes = [first // 2, *others]
    sizes[-1] += first % 2
    contents = _contents(sizes, late, begin_s, days * 86_400)

    def source(day: int, sequence: int, content: int, repeated=False, refused=False) -> Source:
        on = date + dt.timedelta(days=day)
        title = file_name(feed.file_name, on, sequence, feed.compression)
        return Source(name, title, on, sequence, contents[content], repeated, refused)

    sources = [source(place // files, place % files + 1, place, repeated=place == 0) for place in range(count)]
    sources.append(source(0, files + 1, 0, repeated=True))
    sources.append(source(days, 1, count))
    if faults and any(
        part is not None and part.record_count for part in (feed.layout[-1].header, feed.layout[-1].trailer)
    ):
        sources.append(source(days, 2, count + 1, refused=True))
    return sources


def _contents(sizes: list[int], late: int, begin_s: int, seconds: int) -> list[tuple[Piece, ...]]:
    """The pieces of every file: the ordinary ones, the late one, and one more for a file that will be refused."""
    parts = [_shares(size, [1.0] * max(1, -(-size // PIECE_RECORDS))) for size in sizes]
    first_number = [sum(map(len, parts[:place])) for place in range(len(parts))]
    pieces: list[tuple[Piece, ...]] = []
    last = len(sizes) - 1
    width = seconds // len(sizes)
    for place, counts in enumerate(parts):
        made = []
        for index, records in enumerate(counts):
            hands_on = index == 0 if place == last else index < len(parts[place + 1])
            receives = ()
            if place > 0 and index < len(parts[place - 1]):
                receives = (Delivery(first_number[place - 1] + index, EVERYTHING),)
            elif place == 0 and index == 0:
                receives = (Delivery(first_number[last], ODD),)
            begin = begin_s + place * width + width * index // len(counts)
            stop = begin_s + place * width + width * (index + 1) // len(counts)
            number, handed = first_number[place] + index, special_records(records) if hands_on else 0
            made.append(Piece(number, records, begin, stop - begin, handed, receives))
        pieces.append(tuple(made))
    number = sum(map(len, parts))
    from_last = (Delivery(first_number[last], LATE), Delivery(first_number[last], EVEN))
    pieces.append((Piece(number, late, begin_s + seconds, 3 * 3600, 0, from_last),))
    pieces.append((Piece(number + 1, max(late, 1), begin_s + seconds + 4 * 3600, 3600, 0, ()),))
    return pieces
