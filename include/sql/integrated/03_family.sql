-- target: integrated.family, identity.family_child
-- grain: one row per family and member
-- sources: usable_family_member, usable_enrollment, integrated.person
-- Partners' families that share a child are one family (connected components, found by passing the smallest number
-- along shared children until nothing changes). Only a child joins them, and only by the family it was last said to
-- be in by each partner: neither an adult in two households nor a child that moved chains families together.
-- A child without a family is one by itself. Adults belong to the families of the children they live with.

-- Each person's last family by partner: of the newest statements, the enrollment that began last.
CREATE TEMP TABLE last_family ON COMMIT DROP AS
WITH said AS (
    SELECT
        member.person_id,
        member.partner,
        member.source_family_id,
        member.as_of,
        NULL::date AS entry_date
    FROM usable_family_member AS member
    UNION ALL
    SELECT
        enrollment.person_id,
        enrollment.partner,
        enrollment.source_family_id,
        MAX(enrollment.as_of) AS as_of,
        MAX(enrollment.entry_date) AS entry_date
    FROM usable_enrollment AS enrollment
    WHERE enrollment.source_family_id IS NOT NULL
    GROUP BY
        enrollment.person_id,
        enrollment.partner,
        enrollment.source_person_id,
        enrollment.source_family_id
),

role AS (
    SELECT
        member.person_id,
        BOOL_OR(member.family_role = 'child') AS is_child
    FROM usable_family_member AS member
    GROUP BY member.person_id
)

SELECT DISTINCT ON (said.person_id, said.partner)
    said.person_id,
    said.partner,
    said.source_family_id,
    -- Age decides; the partner's word only where no birth date is known.
    COALESCE(
        person.birth_month + MAKE_INTERVAL(years => parameter.family_child_years) > today.as_of,
        role.is_child,
        FALSE
    ) AS is_child
FROM said
INNER JOIN integrated.person AS person ON person.person_id = said.person_id
LEFT JOIN role ON role.person_id = said.person_id
CROSS JOIN (
    SELECT MAX(delivery.as_of) AS as_of
    FROM ledger.delivery
    INNER JOIN ledger.load USING (delivery_id)
) AS today
CROSS JOIN parameter
ORDER BY
    said.person_id,
    said.partner,
    said.as_of DESC,
    said.entry_date DESC NULLS LAST,
    said.source_family_id;

-- Partners' families with children, numbered; `label` becomes the smallest number of the families they hang together with.
CREATE TEMP TABLE component ON COMMIT DROP AS
SELECT
    last_family.partner,
    last_family.source_family_id,
    ROW_NUMBER() OVER (ORDER BY last_family.partner, last_family.source_family_id) AS number,
    ROW_NUMBER() OVER (ORDER BY last_family.partner, last_family.source_family_id) AS label
FROM last_family
WHERE last_family.is_child
GROUP BY
    last_family.partner,
    last_family.source_family_id;

-- Children that two or more partners' families share.
CREATE TEMP TABLE bond ON COMMIT DROP AS
SELECT
    shared.person_id,
    shared.number
FROM (
    SELECT
        last_family.person_id,
        component.number,
        COUNT(*) OVER (PARTITION BY last_family.person_id) AS families
    FROM last_family
    INNER JOIN component USING (partner, source_family_id)
    WHERE last_family.is_child
) AS shared
WHERE shared.families > 1;

CREATE INDEX ON component (number);

CREATE INDEX ON bond (person_id);

ANALYZE last_family;

ANALYZE component;

ANALYZE bond;

DO $$
BEGIN
    LOOP
        UPDATE component
        SET label = reached.label
        FROM (
            SELECT
                bond.number,
                MIN(child.label) AS label
            FROM bond
            INNER JOIN (
                SELECT
                    bond.person_id,
                    MIN(component.label) AS label
                FROM bond
                INNER JOIN component USING (number)
                GROUP BY bond.person_id
            ) AS child USING (person_id)
            GROUP BY bond.number
        ) AS reached
        WHERE reached.number = component.number
            AND reached.label < component.label;
        EXIT WHEN NOT FOUND;
    END LOOP;
END
$$;

-- One row per child: the component it is in; a child without a family gets a negative number of its own.
CREATE TEMP TABLE child_component ON COMMIT DROP AS
SELECT
    last_family.person_id,
    MIN(component.label) AS label
FROM last_family
INNER JOIN component USING (partner, source_family_id)
WHERE last_family.is_child
GROUP BY last_family.person_id
UNION ALL
SELECT
    person.person_id,
    -ROW_NUMBER() OVER (ORDER BY person.person_id) AS label
FROM integrated.person
CROSS JOIN (
    SELECT MAX(delivery.as_of) AS as_of
    FROM ledger.delivery
    INNER JOIN ledger.load USING (delivery_id)
) AS today
CROSS JOIN parameter
WHERE person.birth_month + MAKE_INTERVAL(years => parameter.family_child_years) > today.as_of
    AND NOT EXISTS (SELECT 1 FROM last_family WHERE last_family.person_id = person.person_id);

-- A family keeps the id that most of its children had; an id goes to the family that has most of its former children.
CREATE TEMP TABLE component_family ON COMMIT DROP AS
WITH claim AS (
    SELECT
        child_component.label,
        former.family_id,
        COUNT(*) AS children
    FROM child_component
    INNER JOIN identity.family_child AS former USING (person_id)
    GROUP BY
        child_component.label,
        former.family_id
),

won AS (
    SELECT DISTINCT ON (claim.family_id)
        claim.label,
        claim.family_id,
        claim.children
    FROM claim
    ORDER BY
        claim.family_id,
        claim.children DESC,
        claim.label
),

kept AS (
    SELECT DISTINCT ON (won.label)
        won.label,
        won.family_id
    FROM won
    ORDER BY
        won.label,
        won.children DESC,
        won.family_id
)

SELECT
    label.label,
    COALESCE(kept.family_id, GEN_RANDOM_UUID()) AS family_id
FROM (SELECT DISTINCT child_component.label FROM child_component) AS label
LEFT JOIN kept ON kept.label = label.label;

DELETE FROM identity.family_child;

INSERT INTO identity.family_child (person_id, family_id)
SELECT
    child_component.person_id,
    component_family.family_id
FROM child_component
INNER JOIN component_family USING (label);

INSERT INTO integrated.family (family_id, person_id)
SELECT
    child.family_id,
    child.person_id
FROM identity.family_child AS child
UNION
SELECT
    component_family.family_id,
    last_family.person_id
FROM last_family
INNER JOIN component USING (partner, source_family_id)
INNER JOIN component_family ON component_family.label = component.label
WHERE NOT last_family.is_child;

ANALYZE integrated.family;

-- The next population may be built in the same transaction.
DROP TABLE last_family, component, bond, child_component, component_family;
