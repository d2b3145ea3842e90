-- Namesakes are found by an index: of whom it changed who else is in the family, the pairs with a relative in common are
-- scored again, and no others. Run by the owner.
CREATE INDEX ix_prepared_self ON identity.prepared (self) WHERE self IS NOT NULL;
