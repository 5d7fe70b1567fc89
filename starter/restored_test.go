package main

import (
	"testing"
	"time"

	"kap/internal/testpg"
)

func TestARestoreIsMarkedAndMailResumed(t *testing.T) {
	t.Parallel()
	store, env := office(t)
	for _, row := range []struct{ to, says string }{
		{"", "--to: found nothing, expected the moment"},
		{"yesterday", `--to: found "yesterday", expected a time such as`},
		{"2199-01-01T00:00:00Z", "which is in the future"},
		{"2026-03-08 02:30", "does not exist"},
		{"2025-11-02 01:30", "happens twice"},
	} {
		command(t, env, "", "restored", "--to", row.to).wants(t, misuse, row.says)
	}
	command(t, env, "", "resume-mail").wants(t, done, "Mail is not paused; nothing has changed.")
	sitting(t, env, "no\n", "restored", "--to", "2026-01-05T12:00:00Z").wants(t, done, "What happened after Mon 5 Jan 2026, 07:00 EST is lost", "nothing was changed")
	if r, err := store.MailPaused(t.Context()); r != nil || err != nil {
		t.Fatalf("found %+v, %v", r, err)
	}
	command(t, env, "", "restored", "--to", "2026-01-05 07:00").wants(t, done, "Mail is paused since", "because all was restored to Mon 5 Jan 2026, 07:00 EST.", "Now start Temporal and the workers.")
	command(t, env, "", "restored", "--to", "2026-01-05T12:00:00Z").wants(t, done, "This was marked before", "nothing has changed")
	r, err := store.MailPaused(t.Context())
	if err != nil || r == nil || r.Command != "starter restored" || !r.To.Equal(time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)) {
		t.Fatalf("found %+v, %v", r, err)
	}
	for _, args := range [][]string{{"list"}, {"today"}} {
		command(t, env, "", args...).wants(t, done, "Mail is paused since", "starter resume-mail lets it go out.")
	}
	sitting(t, env, "no\n", "resume-mail").wants(t, done, "Mails that wait: 0. Let them go out? [yes/no]", "nothing was changed")
	sitting(t, env, "yes\n", "resume-mail").wants(t, done, "Mail goes out again")
	if r, err := store.MailPaused(t.Context()); r != nil || err != nil {
		t.Errorf("found %+v, %v", r, err)
	}
}

// A backup may be older than the program: its tables are brought up to date before the mark is made.
func TestAnOldBackupIsMarked(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + testpg.New(t)}
	command(t, env, "", "restored", "--to", "2026-01-05T12:00:00Z").wants(t, done, "Mail is paused since")
	command(t, env, "", "list").wants(t, done, "Mail is paused since")
}
