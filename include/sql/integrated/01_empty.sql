-- target: all of integrated, emptied within the building transaction: readers see the old rows until the new ones are there
-- sources: none
DELETE FROM integrated.family;

DELETE FROM integrated.participation;

DELETE FROM integrated.referral;

DELETE FROM integrated.service_event;

DELETE FROM integrated.person;
