-- Whether a client's address takes no mail. It was a pathway's to know, and the next one of the same client mailed there again.
alter table client add column address_returned boolean not null default false;

-- What came back before, as pathway.News.Refuses judges it.
update client c set address_returned = true where exists (
    select from pathway p join mail_event e on e.pathway = p.code join mail m on m.id = e.mail
    where p.client = c.id and m.address = c.address and m.body->>'staff' is null
      and (e.event = 'bounced' or e.event = 'dropped' and e.reason not in ('content', 'unsubscribed', 'reported')));
