"""The exception tree, and what each code of `native/status.hpp` means.

Conventions
-----------
- Bad data are rows with a code, never exceptions. Bad configuration is one `RulebookError` that lists every fault.
  A broken invariant is an `InvariantError`: it is never caught.
- A message says what happened, where, and what to do. It never holds a subscriber number or a field's value.
- `exit_code` follows BSD's sysexits.h.
"""

from __future__ import annotations


class MediationError(Exception):
    """Base of everything this package raises on purpose."""

    exit_code = 70


class UsageError(MediationError):
    """The caller asked for something that does not exist: a column, a feed, an option."""

    exit_code = 64


class BadDataError(MediationError):
    """More bad data than the rule book's declared limit."""

    exit_code = 65


class NoInputError(MediationError):
    """An input file is missing or may not be read."""

    exit_code = 66


class InvariantError(MediationError):
    """A certificate that does not close, or damaged state: nothing was published."""

    exit_code = 70


class DamagedState(InvariantError):
    """A file of the workspace is not as it was written: nothing in it is used."""

    exit_code = 70


class OutputError(MediationError):
    """The output cannot be created."""

    exit_code = 73


class TemporaryError(MediationError):
    """I/O failed or something is locked: the same call may succeed later."""

    exit_code = 75


class FaultsError(MediationError):
    """Something that was read whole, and is wrong.

    Attributes
    ----------
    faults : tuple of str
        Every fault.
    headline : str
        How many there are.
    """

    of = "what was read"

    def __init__(self, faults):
        self.faults = tuple(faults)
        count = len(self.faults)
        self.headline = f"{count} fault{'s' if count != 1 else ''} in {self.of}:"
        super().__init__("\n".join([self.headline, *self.faults]))


class RulebookError(FaultsError):
    """The rule book or the reference data are wrong: each fault as ``file: $.path: what``."""

    exit_code = 78
    of = "the rule book"


class EditedCopyError(FaultsError):
    """An edited copy of suspended rows cannot be taken: each fault as ``row n: column: what``; nothing was written."""

    exit_code = 65
    of = "the edited copy"


class SourceRefused(MediationError):
    """A file is refused whole. Caught by the run, which lists the file with the code.

    Attributes
    ----------
    code : str
        A name of `native/status.hpp`.
    """

    exit_code = 65

    def __init__(self, code: str, detail: str = ""):
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail or EXPLANATIONS[code]}")


EXPLANATIONS: dict[str, str] = {
    "wrong_field_count": "the record has more or fewer fields than its layout",
    "wrong_record_length": "the record is longer or shorter than its fixed-width layout",
    "bad_terminator": "the record does not end as its layout declares",
    "record_too_long": "no record end within max_record_bytes",
    "unclosed_quote": "a quoted field is not closed within max_record_bytes, or the file ends inside it",
    "bad_quote": "a quote stands inside an unquoted field, or text follows a closing quote",
    "invalid_encoding": "bytes that are not valid in the declared encoding",
    "missing_value": "a required field is empty",
    "unexpected_value": "a field that must be empty for this record type is filled",
    "not_a_number": "a character that does not belong to a number",
    "negative": "a minus sign where only zero or more is allowed",
    "number_overflow": "the number does not fit",
    "too_many_decimals": "more digits after the point than the layout declares",
    "out_of_range": "the number is outside its declared range",
    "bad_length": "the text is shorter or longer than declared",
    "bad_character": "a character outside the declared class",
    "unknown_value": "a value that the enumeration does not list",
    "bad_timestamp": "the text does not follow the timestamp pattern",
    "impossible_time": "no such date or time of day",
    "ambiguous_time": "this local time happened twice; the feed must give the offset",
    "nonexistent_time": "this local time was skipped when clocks went forward",
    "bad_utc_offset": "the UTC offset is malformed or beyond 18 hours",
    "bad_msisdn": "the number cannot be brought to E.164 by the feed's number rules",
    "bad_tag": "a BER tag of more than three octets, end-of-contents octets out of place, or a simple value for a list",
    "bad_length_octets": "length octets that BER does not allow, or a length beyond four octets",
    "element_overrun": "a BER element ends behind its container, or the file ends inside it",
    "segmented_value": "a value in several segments, where one is expected",
    "trailing_bytes": "bytes behind the file's last record that are neither filler nor a record",
    "bad_json": "the line is not one JSON object",
    "too_deep": "objects, lists or BER elements are nested deeper than any known format needs",
    "repeated_key": "a declared member stands more than once in its object",
    "wrong_structure": "a list or an object where a value is declared, or the other way round",
    "too_many_items": "the record has more chargeable parts than a row number can count, than one in 16 bytes, or than "
    "what it says beside them may be said for",
    "unknown_number": "no subscription has this number",
    "number_not_owned": "nobody owned this number at the event's time",
    "missing_number": "the record names no served number",
    "missing_time": "the record has no start time",
    "missing_quantity": "the record has nothing to rate: no duration, volume or count",
    "unknown_destination": "no prefix matches, and the zone set has no default",
    "missing_destination": "the record type is rated by destination, and the record names none",
    "no_product": "the subscription's product is not in the rule book",
    "no_host": "the record's host is not in the rule book",
    "no_price": "no price is in force for this record type, zone, band and time",
    "amount_overflow": "the amount is beyond what a line can hold",
    "not_rateable": "the tariff does not name this record type",
    "too_old": "older than the history that is kept: nobody can say whether it came before; it is never charged",
    "retransmission": "the same key and payload came before",
    "conflict": "the same key came before with another payload",
    "no_feed_matches": "no feed's file-name pattern matches",
    "several_feeds_match": "more than one feed's file-name pattern matches",
    "no_layout_in_force": "the feed has no layout for the file's date",
    "not_a_regular_file": "a link, device, pipe or folder, not a regular file",
    "changed_while_read": "the file changed while it was read",
    "damaged_compression": "the compressed stream is damaged or cut short",
    "too_many_bytes": "the decompressed stream exceeds the declared limit",
    "compression_ratio_too_high": "the stream grows beyond the declared ratio when decompressed",
    "too_many_members": "more compressed members than the declared limit",
    "header_missing": "the file does not begin with the declared header",
    "header_mismatch": "the header's date or sequence is not the file name's",
    "trailer_missing": "the file does not end with the declared trailer",
    "record_count_mismatch": "the declared record count is not what the file holds",
    "control_sum_mismatch": "the declared sum is not what the records add up to",
    "nested_compression": "the decompressed stream is itself compressed",
    "unreadable": "the file could not be read",
    "wrong_compression": "the file is not compressed as the feed declares",
    "column_missing": "the header line does not name a column that the layout declares",
    "column_repeated": "the header line names a declared column more than once",
    "too_many_columns": "the header line names more columns than are read",
    "wrong_format": "the file is of another format than its feed declares",
    "unknown_version": "the file is of a version of its format that is not known here",
    "envelope_too_long": "what stands before or behind the records is longer than is read of it",
}
