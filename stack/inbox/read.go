package inbox

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Messages asks the inbox at an address such as http://127.0.0.1:8025 what it has caught, for one recipient or, where to is empty, for
// all; the newest first.
func Messages(ctx context.Context, base, to string) ([]Message, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/messages.json?to="+url.QueryEscape(to), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var all []Message
	err = json.NewDecoder(answer.Body).Decode(&all)
	return all, err
}
