"""The columns that linkage takes in, and those that cleaning makes of them.

`birth_text` holds year, month and day as eight digits where they were given but are no day of the calendar; `local_id`
is a person's number with some agency that more than one source may have noted. `stated_ssn` is the number as given,
where `ssn` is empty because too many people are said to have it.
"""

from __future__ import annotations

INPUT_COLUMNS = (
    "source",
    "source_person_id",
    "first_name",
    "middle_name",
    "last_name",
    "name_suffix",
    "birth_date",
    "birth_text",
    "sex",
    "ssn",
    "email",
    "phone",
    "address_line",
    "city",
    "postal_code",
    "mother_first_name",
    "local_id",
    "family_key",
)
CLEANED_COLUMNS = frozenset(
    {
        "record",
        "source",
        "source_person_id",
        "first_name",
        "first_initial",
        "first_forms",
        "first_root",
        "first_sound",
        "middle_name",
        "middle_initial",
        "last_name",
        "last_parts",
        "last_sound",
        "both_names",
        "generation",
        "multiple",
        "birth_date",
        "birth_digits",
        "birth_year",
        "heap_year",
        "birth_month",
        "birth_day",
        "birth_key",
        "sex",
        "ssn",
        "ssn_end",
        "stated_ssn",
        "stated_ssn_end",
        "email",
        "email_name",
        "phone",
        "house_number",
        "street",
        "address",
        "unit",
        "city",
        "postal_code",
        "mother",
        "local_id",
        "family",
        "kin",
        "self",
    }
)
# Cleaned columns that hold several values; such a column is compared, and never a blocking key.
LIST_COLUMNS = ("first_forms", "kin", "last_parts")
