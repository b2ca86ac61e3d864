"""Every table's Arrow schema: names, units, types.

Conventions
-----------
- Names follow 3GPP TS 32.298 and TM Forum TMF635, units last. Missing is null, never 0.
- Integers are int64, instants `timestamp[us, UTC]`, amounts decimal128(18, 6), sums decimal128(38, 6).
- Enumerations and codes are dictionaries of the rule book (int16 indices); open text is utf8.
- A row's identity is its provenance: `source_id`, `record_no` (from 0 in its file, headers and trailers not
  counted), `item_no` (from 0 in its record).
- Which usage columns a table has depends on the rule book: a column that no feed fills is left out.
"""

from __future__ import annotations

import pyarrow as pa

INSTANT = pa.timestamp("us", tz="UTC")
AMOUNT = pa.decimal128(18, 6)
TOTAL = pa.decimal128(38, 6)
CODE = pa.dictionary(pa.int16(), pa.utf8())

PROVENANCE: dict[str, pa.DataType] = {
    "source_id": pa.int32(),
    "record_no": pa.int64(),
    "item_no": pa.int16(),
    "byte_offset": pa.int64(),
    "byte_length": pa.int64(),
}

# Filled by the decoder itself or by a feed's fields; the order is that of the usage table.
USAGE: dict[str, pa.DataType] = {
    "feed": CODE,
    "host": CODE,
    "record_type": CODE,
    "served_msisdn": pa.int64(),
    "served_imsi": pa.int64(),
    "imei": pa.utf8(),
    "other_party": pa.utf8(),
    "forwarded_to": pa.utf8(),
    "start_time": INSTANT,
    "end_time": INSTANT,
    "utc_offset_s": pa.int64(),
    "duration_s": pa.int64(),
    "uplink_bytes": pa.int64(),
    "downlink_bytes": pa.int64(),
    "event_count": pa.int64(),
    "message_length": pa.int64(),
    "message_coding": CODE,
    "message_segments": pa.int64(),
    "location": pa.utf8(),
    "serving_network": pa.utf8(),
    "apn": pa.utf8(),
    "rat_type": CODE,
    "rating_group": pa.int64(),
    "charging_id": pa.int64(),
    "session_id": pa.utf8(),
    "sequence_no": pa.int64(),
    "node_id": pa.utf8(),
    "local_sequence_no": pa.int64(),
    "cause_for_closing": CODE,
    "is_partial": CODE,
    "is_final": CODE,
    "host_record_id": pa.utf8(),
    "host_charge_amount": AMOUNT,
    "host_charge_currency": CODE,
    "flags": pa.int64(),
}

# Bits of `flags`: oddities that do not stop a record from being charged.
FLAG_DURATION_DIFFERS = 1  # duration_s differs from end_time - start_time by more than the feed's tolerance
FLAG_LEAP_SECOND = 2  # a timestamp read :60; it stands at the next minute's :00

# What guiding and rating add to a usage row, in this order.
RATED: dict[str, pa.DataType] = {
    "account_id": pa.int64(),
    "product": CODE,
    "city": CODE,  # or the feed's own type, where the rule book says that the feed carries the city
    "cycle": pa.date32(),  # first day of the retail cycle of the event, in the home zone
    "host_cycle": pa.date32(),  # first day of the host's cycle, in the host's zone
    "retail_zone": CODE,
    "retail_time_band": CODE,
    "retail_tariff_version": CODE,
    "wholesale_zone": CODE,
    "wholesale_time_band": CODE,
    "wholesale_tariff_version": CODE,
    "retail_quantity": pa.int64(),  # after rounding up to increments, in the service's unit
    "wholesale_quantity": pa.int64(),
    "retail_amount": AMOUNT,
    "wholesale_amount": AMOUNT,
    "margin_amount": AMOUNT,
    "retail_residue": pa.int64(),  # exact minus stored, in 10^-12 of the currency, truncated toward zero
    "wholesale_residue": pa.int64(),
}

REJECTS: dict[str, pa.DataType] = {
    **PROVENANCE,
    "feed": CODE,
    "stage": CODE,
    "code": CODE,
    "field": pa.utf8(),
    "raw": pa.binary(),
}

# Beside the whole usage row.
SUSPENDED: dict[str, pa.DataType] = {"stage": CODE, "code": CODE, "field": pa.utf8()}
DUPLICATES: dict[str, pa.DataType] = {
    "verdict": CODE,  # retransmission or conflict
    "first_source_id": pa.int32(),  # null where the first is not in this run
    "first_record_no": pa.int64(),
    "fingerprint": pa.binary(16),
}

ACCOUNT_DAY: dict[str, pa.DataType] = {
    "account_id": pa.int64(),
    "day": pa.date32(),  # in the home zone
    "records": pa.int64(),
    # Bounded like a line (beyond it the run fails): Parquet then stores 8 bytes and not 16, at a third of the cost.
    "retail_amount": AMOUNT,
    "wholesale_amount": AMOUNT,
    "margin_amount": AMOUNT,
}

SETTLEMENT: dict[str, pa.DataType] = {
    "cycle": pa.date32(),  # the host's
    "host": pa.utf8(),
    "service": pa.utf8(),
    "city": pa.utf8(),
    "rate_class": pa.utf8(),  # wholesale zone/time band
    "tariff_version": pa.utf8(),
    "currency": pa.utf8(),
    "records": pa.int64(),
    "quantity": pa.int64(),
    "unit": pa.utf8(),
    "host_charge_amount": TOTAL,
    "wholesale_amount": TOTAL,
    "retail_amount": TOTAL,
    "margin_amount": TOTAL,
}


def schema(fields: dict[str, pa.DataType]) -> pa.Schema:
    """The Arrow schema of a table declared above."""
    return pa.schema(list(fields.items()))
