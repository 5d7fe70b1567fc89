package main

import (
	"testing"

	"kap/workflows"
)

func TestTemporalCloudIsPreparedElsewhere(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"kap.a1b2c.tmprl.cloud:7233", "us-east-1.aws.api.temporal.io:7233"} {
		s := command(t, []string{"TEMPORAL_ADDRESS=" + address}, "", "prepare-namespace")
		s.wants(t, misuse, "TEMPORAL_ADDRESS: found "+address+", which is Temporal Cloud", "starter prepare-namespace --help")
	}
	help := command(t, nil, "", "prepare-namespace", "--help")
	for name, kind := range workflows.SearchAttributes() {
		help.wants(t, done, name, kind.String())
	}
}
