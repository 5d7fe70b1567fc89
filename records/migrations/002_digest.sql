-- The digests that wait for one member of staff are claimed together, and settled together.
create index mail_digest on mail ((body->>'staff')) where status = 'pending' and body->>'kind' = 'staff-digest';
create index mail_claim on mail (claim) where status in ('claimed', 'unknown');
