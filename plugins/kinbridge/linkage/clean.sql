-- Names, dates, numbers and addresses made comparable, beside the originals and never over them.
-- sources: source_record (columns of columns.INPUT_COLUMNS, all text but birth_date), nickname (nickname, name),
--          street_word (word, short); macros is_placeholder(element, value), shared_at_most(), heap_least(), heap_times()
-- Every engine reads this text; Spark's translation of it is in engine/spark_sql.py.

-- Letters only, in capitals, without accents; the digits that optical readers take for letters are turned back.
CREATE OR REPLACE TEMP MACRO plain(value) AS translate(
    replace(replace(replace(upper(strip_accents(replace(value, 'ß', 'ss'))), 'Æ', 'AE'), 'Œ', 'OE'), 'Þ', 'TH'),
    'ØŁĐÐ''’`´.',
    'OLDD'
);
CREATE OR REPLACE TEMP MACRO name_words(value) AS list_filter(
    regexp_split_to_array(translate(plain(value), '0158', 'OISB'), '[^\p{L}]+'),
    lambda word: word <> ''
);
CREATE OR REPLACE TEMP MACRO joined(words) AS nullif(array_to_string(words, ''), '');

-- One key for names that sound alike in English and Spanish spelling: consonant classes after the first letter.
CREATE OR REPLACE TEMP MACRO undoubled(key) AS regexp_replace(
    replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
        key,
        'BB', 'B'), 'DD', 'D'), 'FF', 'F'), 'JJ', 'J'), 'KK', 'K'), 'LL', 'L'), 'MM', 'M'), 'NN', 'N'), 'PP', 'P'),
        'RR', 'R'), 'SS', 'S'), 'TT', 'T'),
    '(.)[AEIOUYHW]+$', '\1'
);
CREATE OR REPLACE TEMP MACRO respelled(name) AS
    replace(replace(replace(replace(replace(replace(replace(replace(
        regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            regexp_replace(regexp_replace(name, '^(KN|GN|PN)', 'N'), '^WR', 'R'),
            'S?C([EIY])', 'S\1', 'g'), 'D?G([EIY])', 'J\1', 'g'), 'TI([OA])', 'S\1', 'g'), '^X', 'S'),
        'SCH', 'S'), 'SH', 'S'), 'CH', 'C'), 'PH', 'F'), 'CK', 'K'), 'GH', 'G'), 'TH', 'T'), 'X', 'KS');
CREATE OR REPLACE TEMP MACRO sound_of(name) AS left(name, 1) || undoubled(regexp_replace(
    translate(substr(respelled(name), 2), 'CQGZVDB', 'KKKSFTP'), '[AEIOUYHW]', '', 'g'
));

-- HOMELESS - SEE NOTES and UNKNOWN ADDRESS tell of no home; 12 TRANSIENT ST does.
CREATE OR REPLACE TEMP MACRO no_home(word) AS word IN ('HOMELESS', 'TRANSIENT', 'UNHOUSED', 'UNKNOWN', 'UNSHELTERED');

-- What stands for the name of a child that has none yet, and what goes with it: BABY BOY, INFANT OF MARIA, SMITH GIRL A.
CREATE OR REPLACE TEMP MACRO newborn(word) AS word IN (
    'BABY', 'BABYBOY', 'BABYGIRL', 'BB', 'BG', 'BOY', 'FEMALE', 'GIRL', 'INFANT', 'MALE', 'NEWBORN', 'TRIPLET', 'TWIN', 'UNNAMED'
);
CREATE OR REPLACE TEMP MACRO filler(word) AS newborn(word) OR length(word) = 1 OR word IN ('CHILD', 'OF', 'THE', 'TO');

-- Each step names what the next one asks of more than once: an engine writes out a name as often as it stands in one SELECT.
-- Grain: one row per source person. sources: source_record.
CREATE OR REPLACE TEMP TABLE split AS
SELECT
    source,
    source_person_id,
    family_key,
    first_name,
    last_name,
    name_words(regexp_replace(upper(first_name), '^B/[BGO]\b', 'BABY ')) AS first_all,
    name_words(last_name) AS last_all,
    name_words(middle_name) AS middle_words,
    name_words(name_suffix) AS suffix_words,
    name_words(city) AS city_words,
    name_words(mother_first_name) AS mother_words,
    birth_text,
    -- A thirteenth month is a day that changed places with its month.
    coalesce(birth_date, try_strptime(birth_text, '%Y%d%m')::DATE) AS born,
    left(upper(trim(sex)), 1) AS sex_said,
    regexp_replace(ssn, '[^0-9]', '', 'g') AS ssn_digits,
    lower(trim(email)) AS email_text,
    regexp_replace(regexp_replace(phone, '[^0-9]', '', 'g'), '^1(\d{10})$', '\1') AS phone_digits,
    list_filter(
        regexp_split_to_array(plain(replace(address_line, '#', ' APT ')), '[^\p{L}0-9]+'), lambda word: word <> ''
    ) AS address_words,
    -- The zeros before a postal code get lost in spreadsheets.
    ltrim(left(regexp_replace(upper(postal_code), '[^A-Z0-9]', '', 'g'), 5), '0') AS postal_letters,
    ltrim(regexp_replace(upper(local_id), '[^A-Z0-9]', '', 'g'), '0') AS local_digits
FROM source_record;

-- Grain: one row per source person. sources: split.
CREATE OR REPLACE TEMP TABLE given AS
SELECT
    *,
    list_filter(first_all, lambda word: word NOT IN ('JR', 'SR', 'II', 'III', 'IV')) AS first_given,
    list_filter(last_all, lambda word: word NOT IN ('JR', 'SR', 'II', 'III', 'IV', 'JUNIOR', 'SENIOR')) AS last_given
FROM split;

DROP TABLE split;

-- Grain: one row per source person. sources: given.
CREATE OR REPLACE TEMP TABLE marked AS
SELECT
    *,
    -- The surname stands in the place of the first name then.
    NOT first_newborn
    AND array_length(first_given) > 0
    AND last_newborn
    AND array_length(list_filter(last_given, lambda word: NOT filler(word))) = 0 AS changed_places,
    first_newborn AND (newborn(first_given[1]) OR array_length(named_after) = 0) AS unnamed
FROM (
    SELECT
        *,
        array_length(list_filter(first_given, lambda word: newborn(word))) > 0 AS first_newborn,
        array_length(list_filter(last_given, lambda word: newborn(word))) > 0 AS last_newborn,
        list_filter(first_given, lambda word: NOT filler(word) AND NOT list_contains(last_given, word)) AS named_after
    FROM given
) AS newborns;

DROP TABLE given;

-- Grain: one row per source person. sources: marked.
CREATE OR REPLACE TEMP TABLE worded AS
SELECT
    source,
    source_person_id,
    family_key,
    -- Which of the twins: BABY BOY A, TWIN 2.
    CASE
        WHEN unnamed OR changed_places
            THEN translate(coalesce(
                nullif(regexp_extract(upper(first_name), '\b([ABC123])\W*$', 1), ''),
                nullif(regexp_extract(upper(last_name), '\b([ABC123])\W*$', 1), '')
            ), '123', 'ABC')
    END AS multiple,
    CASE WHEN unnamed OR changed_places THEN [] ELSE first_given END AS first_words,
    middle_words,
    CASE
        WHEN changed_places THEN first_given
        WHEN unnamed AND array_length(list_filter(last_given, lambda word: NOT newborn(word))) > 0
            THEN list_filter(last_given, lambda word: NOT newborn(word))
        ELSE last_given
    END AS last_words,
    coalesce(
        joined(suffix_words),
        list_extract(list_filter(
            list_concat(last_all, first_all),
            lambda word: word IN ('JR', 'SR', 'II', 'III', 'IV', 'JUNIOR', 'SENIOR')
        ), 1)
    ) AS suffix_word,
    CASE
        WHEN born BETWEEN DATE '1880-01-01' AND current_date + INTERVAL 1 YEAR
            AND NOT is_placeholder('birth_date', strftime(born, '%Y-%m-%d'))
            THEN born
    END AS birth_date,
    -- What is no day, or none on which somebody now alive was born, still has digits to compare.
    CASE
        WHEN born > current_date + INTERVAL 1 YEAR AND NOT is_placeholder('birth_date', strftime(born, '%Y-%m-%d'))
            THEN strftime(born, '%Y%m%d')
        WHEN born < DATE '1880-01-01' THEN strftime(born, '%Y%m%d')
        WHEN born IS NULL AND birth_text SIMILAR TO '\d{8}' AND NOT regexp_matches(birth_text, '^(....0000|0000....)$')
            THEN birth_text
    END AS birth_text,
    CASE
        WHEN sex_said IS NOT NULL THEN sex_said
        WHEN unnamed OR changed_places
            THEN CASE
                WHEN list_has_any(list_concat(first_given, last_given), ['BOY', 'BABYBOY', 'MALE']) THEN 'M'
                WHEN list_has_any(list_concat(first_given, last_given), ['GIRL', 'BABYGIRL', 'FEMALE']) THEN 'F'
            END
    END AS sex_letter,
    ssn_digits,
    email_text,
    phone_digits,
    address_words,
    joined(city_words) AS city_letters,
    postal_letters,
    -- A baby is named after its mother until it has a name.
    coalesce(mother_words[1], CASE WHEN unnamed THEN named_after[1] END) AS mother_word,
    local_digits
FROM marked;

DROP TABLE marked;

-- Grain: one row per source person. sources: worded.
CREATE OR REPLACE TEMP TABLE shaped AS
SELECT
    *,
    NOT is_placeholder('first_name', first_joined) AS first_stands,
    NOT is_placeholder('last_name', last_joined) AND length(last_joined) > 1 AS last_stands,
    CASE
        WHEN address_text SIMILAR TO '(.* )?P ?O ?BOX \w+.*' THEN regexp_extract(address_text, 'BOX (\w+)', 1)
        ELSE list_extract(list_filter(address_words, lambda word: regexp_matches(word, '^\d')), 1)
    END AS number_word,
    list_position(
        list_transform(address_words, lambda word: regexp_matches(word, '^(APT|APARTMENT|UNIT|STE|SUITE|LOT|RM|ROOM|BLDG|BUILDING|TRLR|TRAILER|SPC|SPACE|FLAT)\d*$')),
        true
    ) AS unit_at
FROM (
    SELECT
        *,
        joined(first_words) AS first_joined,
        joined(last_words) AS last_joined,
        list_filter(first_words, lambda word: length(word) > 1) AS first_long,
        list_filter(
            last_words,
            lambda word: length(word) > 1
                AND word NOT IN ('DE', 'LA', 'LAS', 'LOS', 'DEL', 'DO', 'DA', 'DOS', 'DI', 'VAN', 'VON', 'DER', 'DEN', 'EL', 'AL',
                                 'BIN', 'BINT', 'ABU', 'MC', 'MAC', 'ST', 'LE', 'DU', 'SAN', 'Y')
        ) AS last_long,
        array_to_string(address_words, ' ') AS address_text
    FROM worded
) AS long_words;

DROP TABLE worded;

-- Grain: one row per street word with its short form, as one lookup. sources: street_word.
CREATE OR REPLACE TEMP TABLE street_map AS
SELECT map_from_entries(list((word, short))) AS short_of
FROM street_word;

-- Grain: one row per name with the formal names that it can stand for; the first one is its root. sources: nickname.
CREATE OR REPLACE TEMP TABLE nickname_map AS
SELECT map_from_entries(list((nickname, names))) AS names_of
FROM (
    SELECT
        nickname,
        list(name ORDER BY name) AS names
    FROM nickname
    GROUP BY nickname
);

-- Grain: one row per source person. sources: shaped, nickname_map, street_map.
CREATE OR REPLACE TEMP TABLE named AS
SELECT
    source,
    source_person_id,
    family_key,
    CASE
        WHEN first_stands AND array_length(first_long) > 0 THEN joined(first_long)
    END AS first_name,
    CASE WHEN first_stands THEN left(first_joined, 1) END AS first_initial,
    CASE
        WHEN first_stands AND array_length(first_long) > 0
            THEN list_distinct(flatten(list_transform(
                CASE WHEN array_length(first_long) > 1 THEN list_append(first_long, joined(first_long)) ELSE first_long END,
                lambda word: list_prepend(word, coalesce(names_of[word], []))
            )))
    END AS first_forms,
    coalesce(names_of[first_long[1]][1], first_long[1]) AS first_formal,
    coalesce(
        CASE WHEN NOT is_placeholder('middle_name', joined(middle_words)) THEN middle_words[1] END,
        CASE WHEN array_length(first_words) > 1 AND first_stands THEN first_words[2] END
    ) AS middle_name,
    CASE
        WHEN last_stands THEN last_joined
    END AS last_name,
    CASE
        WHEN last_stands
            THEN list_distinct(list_append(
                list_filter(last_long, lambda word: length(word) > 2), coalesce(joined(last_long), last_joined)
            ))
    END AS last_parts,
    CASE suffix_word
        WHEN 'SR' THEN 1 WHEN 'SENIOR' THEN 1 WHEN 'I' THEN 1 WHEN 'JR' THEN 2 WHEN 'JUNIOR' THEN 2 WHEN 'II' THEN 2
        WHEN 'III' THEN 3 WHEN 'IV' THEN 4
    END AS generation,
    multiple,
    birth_date,
    birth_text,
    CASE sex_letter WHEN 'M' THEN 'M' WHEN 'F' THEN 'F' END AS sex,
    CASE
        WHEN length(ssn_digits) BETWEEN 6 AND 9
            AND NOT regexp_matches(ssn_digits, '^(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+)$')
            AND NOT regexp_matches(ssn_digits, '^(000......|666......|...00....|.....0000)$')
            AND NOT is_placeholder('ssn', lpad(ssn_digits, 9, '0'))
            THEN ltrim(ssn_digits, '0')
    END AS ssn,
    CASE
        WHEN length(ssn_digits) = 4
            AND NOT regexp_matches(ssn_digits, '^(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+)$')
            AND NOT is_placeholder('ssn', ssn_digits)
            THEN ssn_digits
    END AS ssn_four,
    CASE
        WHEN regexp_matches(email_text, '^[^@\s]+@[^@\s]+$')
            AND NOT is_placeholder('email', regexp_extract(email_text, '^[^@]+'))
            THEN regexp_replace(email_text, '\+[^@]*@', '@')
    END AS email,
    CASE
        WHEN length(phone_digits) BETWEEN 7 AND 15
            AND NOT regexp_matches(phone_digits, '^(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+)$')
            AND NOT is_placeholder('phone', phone_digits)
            THEN phone_digits
    END AS phone,
    number_word AS house_number,
    CASE
        WHEN NOT is_placeholder('address_line', array_to_string(address_words, ''))
            AND NOT (number_word IS NULL AND array_length(list_filter(address_words, lambda word: no_home(word))) > 0)
            THEN nullif(array_to_string(list_transform(
                list_filter(
                    CASE WHEN unit_at > 1 THEN list_slice(address_words, 1, unit_at - 1) ELSE address_words END,
                    lambda word: word <> coalesce(number_word, '')
                ),
                lambda word: coalesce(short_of[word], word)
            ), ' '), '')
    END AS street,
    CASE
        WHEN unit_at > 1
            THEN nullif(regexp_replace(array_to_string(list_slice(address_words, unit_at, array_length(address_words)), ''), '^((APT|APARTMENT|UNIT|STE|SUITE|LOT|RM|ROOM|SPC|SPACE|FLAT)(NO)?)+', ''), '')
    END AS unit,
    CASE WHEN NOT is_placeholder('city', city_letters) THEN city_letters END AS city,
    nullif(nullif(postal_letters, ''), '99999') AS postal_code,
    CASE
        WHEN length(mother_word) > 1 AND NOT is_placeholder('first_name', mother_word)
            THEN coalesce(names_of[mother_word][1], mother_word)
    END AS mother,
    CASE WHEN length(local_digits) > 2 AND NOT regexp_matches(local_digits, '^(9+|X+|NONE|UNKNOWN|NULL)$') THEN local_digits END AS local_id
FROM shaped, nickname_map, street_map;

DROP TABLE shaped;

-- A number that many different people are said to have is nobody's number.
-- Grain: one row per such value. sources: named.
CREATE OR REPLACE TEMP TABLE overshared AS
SELECT ssn
FROM named
WHERE ssn IS NOT NULL
GROUP BY ssn
HAVING count(DISTINCT birth_date) > shared_at_most();

-- A day that a source gives for far more people than are born on one (1 January, where only the year was known) is no day.
-- Where such days are known already, these count. Grain: one row per source and such a day, of a year or of every year.
-- sources: named, given_heap (source, day).
CREATE OR REPLACE TEMP TABLE heaped AS
SELECT
    source,
    day
FROM (
    SELECT
        source,
        day,
        people,
        sum(people) OVER (PARTITION BY source, span) / 365.25 AS expected
    FROM (
        SELECT
            source,
            strftime(birth_date, '%m%d') AS day,
            '' AS span,
            count(*) AS people
        FROM named
        WHERE birth_date IS NOT NULL
        GROUP BY source, strftime(birth_date, '%m%d')
        UNION ALL
        SELECT
            source,
            strftime(birth_date, '%Y%m%d') AS day,
            strftime(birth_date, '%Y') AS span,
            count(*) AS people
        FROM named
        WHERE birth_date IS NOT NULL
        GROUP BY source, strftime(birth_date, '%Y%m%d'), strftime(birth_date, '%Y')
    ) AS counted
) AS expecting
WHERE NOT heaps_known() AND people >= heap_least() AND people > heap_times() * expected
UNION ALL
SELECT source, day
FROM given_heap;

-- Grain: one row per source person. sources: named, overshared, heaped.
CREATE OR REPLACE TEMP TABLE identified AS
SELECT
    named.* EXCLUDE (ssn, ssn_four, first_formal, house_number, birth_date),
    CASE WHEN every_year.day IS NULL AND one_year.day IS NULL THEN named.birth_date END AS birth_date,
    CASE WHEN every_year.day IS NOT NULL OR one_year.day IS NOT NULL THEN year(named.birth_date) END AS heap_year,
    named.ssn AS stated_ssn,
    named.ssn_four AS stated_ssn_end,
    CASE WHEN overshared.ssn IS NULL THEN named.ssn END AS ssn,
    coalesce(named.ssn_four, CASE WHEN overshared.ssn IS NULL THEN right(named.ssn, 4) END) AS ssn_end,
    CASE WHEN named.first_name IS NOT NULL THEN named.first_formal END AS first_root,
    CASE WHEN named.street IS NOT NULL THEN named.house_number END AS house_number
FROM named
LEFT JOIN overshared ON overshared.ssn = named.ssn
LEFT JOIN heaped AS every_year
    ON every_year.source = named.source AND every_year.day = strftime(named.birth_date, '%m%d')
LEFT JOIN heaped AS one_year
    ON one_year.source = named.source AND one_year.day = strftime(named.birth_date, '%Y%m%d');

DROP TABLE named;

-- Who else is in the partner's own family: first name and birth date of each other member, for families of a usual size.
-- Grain: one row per source person. sources: identified.
CREATE OR REPLACE TEMP TABLE kin AS
SELECT
    source,
    source_person_id,
    list_sort(list_filter(members, lambda member: member <> coalesce(self, ''))) AS kin
FROM (
    SELECT
        source,
        source_person_id,
        first_root || strftime(birth_date, ' %Y-%m-%d') AS self,
        list(first_root || strftime(birth_date, ' %Y-%m-%d')) OVER (PARTITION BY source, family_key) AS members,
        count(*) OVER (PARTITION BY source, family_key) AS size
    FROM identified
    WHERE family_key IS NOT NULL
)
WHERE size BETWEEN 2 AND 20;

-- Grain: one row per source person, `record` numbering them by source and id. sources: identified, kin.
CREATE OR REPLACE TABLE cleaned AS
SELECT
    (row_number() OVER (ORDER BY identified.source, identified.source_person_id))::BIGINT AS record,
    identified.source,
    identified.source_person_id,
    first_name,
    first_initial,
    first_forms,
    first_root,
    sound_of(first_root) AS first_sound,
    middle_name,
    left(middle_name, 1) AS middle_initial,
    last_name,
    last_parts,
    sound_of(last_name) AS last_sound,
    CASE WHEN first_name < last_name THEN first_name || ' ' || last_name ELSE last_name || ' ' || first_name END AS both_names,
    generation,
    multiple,
    birth_date,
    coalesce(strftime(birth_date, '%Y%m%d'), birth_text) AS birth_digits,
    coalesce(left(birth_digits, 4)::INTEGER, heap_year) AS birth_year,
    heap_year,
    left(birth_digits, 6) AS birth_month,
    right(birth_digits, 4) AS birth_day,
    left(birth_digits, 4)
    || least(substr(birth_digits, 5, 2), right(birth_digits, 2))
    || greatest(substr(birth_digits, 5, 2), right(birth_digits, 2)) AS birth_key,
    sex,
    ssn,
    ssn_end,
    stated_ssn,
    stated_ssn_end,
    email,
    regexp_extract(email, '^[^@]+') AS email_name,
    phone,
    house_number,
    street,
    house_number || ' ' || street AS address,
    unit,
    city,
    postal_code,
    mother,
    local_id,
    family_key AS family,
    CASE WHEN array_length(kin.kin) > 0 THEN kin.kin END AS kin,
    first_root || strftime(birth_date, ' %Y-%m-%d') AS self
FROM identified
LEFT JOIN kin ON kin.source = identified.source AND kin.source_person_id = identified.source_person_id
ORDER BY record;

DROP TABLE identified;
DROP TABLE kin;
