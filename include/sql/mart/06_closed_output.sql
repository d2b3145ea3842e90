-- target: figure (temporary)
-- grain: one row per figure of a table that must not be published
-- sources: closed_output (temporary)
-- Nothing of a closed table is shown. Its figures stay as what follows from others, so that these do not give them away.
UPDATE figure
SET published = FALSE
FROM closed_output
WHERE closed_output.output = figure.output;
