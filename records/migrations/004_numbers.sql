-- What is counted again and again is counted without reading all that was ever written.
create index pathway_outcome on pathway (outcome);
create index mail_unsettled on mail (status) where status not in ('sent', 'withdrawn');
create index journal_refusals on journal (name, code) where kind = 'rejected';
