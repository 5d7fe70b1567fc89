-- The journal is chained: each entry's hash covers the entry and the hash of the one before it, in the order of number, so that an entry
-- that was altered, taken out or put in shows. The head stands with the pathway: an end that is missing shows there. Records that were
-- written before are chained here, in the way in which records/chain.go does it from now on.
alter table journal add column fact json, add column number int, add column hash text;
alter table pathway add column journal_number int not null default 0, add column journal_hash text not null default '';

-- The step that was written last when a mail was claimed; none where that was not kept yet. What its session was then decides
-- whether it should have gone out.
alter table mail add column claimed_after int;

create function pg_temp.part(value text) returns text language sql immutable as
    $$ select octet_length(coalesce(value, '')) || ':' || coalesce(value, '') $$;
create function pg_temp.moment(value timestamptz) returns text language sql immutable as
    $$ select (extract(epoch from value) * 1000000)::bigint::text $$;

alter table journal disable trigger journal_is_append_only;
do $$
declare
    entry record;
    pathway_now text := '';
    last_number int;
    last_hash text;
begin
    for entry in select * from journal order by pathway, id loop -- "by" in quotes: the loops of this language have a word of that name
        if entry.pathway <> pathway_now then
            pathway_now := entry.pathway;
            last_number := 0;
            last_hash := '';
        end if;
        last_number := last_number + 1;
        last_hash := encode(sha256(convert_to(pg_temp.part(last_hash) || pg_temp.part(entry.pathway) || pg_temp.part(last_number::text)
            || pg_temp.part(entry.step::text) || pg_temp.part(entry.kind) || pg_temp.part(entry.name) || pg_temp.part(entry."by")
            || pg_temp.part(entry.message_id) || pg_temp.part(pg_temp.moment(entry.at)) || pg_temp.part(pg_temp.moment(entry.recorded))
            || pg_temp.part(entry.code) || pg_temp.part(entry.text) || pg_temp.part(entry.message::text) || pg_temp.part(entry.fact::text), 'UTF8')), 'hex');
        update journal set number = last_number, hash = last_hash where id = entry.id;
        update pathway set journal_number = last_number, journal_hash = last_hash where code = entry.pathway;
    end loop;
end $$;
alter table journal enable trigger journal_is_append_only;
drop function pg_temp.part(text);
drop function pg_temp.moment(timestamptz);

-- Both may be missing, because a worker of the version before has to be able to go on; what it writes shows as not chained.
create unique index journal_chain on journal (pathway, number);
