package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// status is what the verifier reads of the status of a number, a portfolio or a template.
type status struct {
	State  string    `json:"state"`
	Until  time.Time `json:"untilTime"`
	Pauses int64     `json:"pauses"`
	Tier   struct {
		Name   string `json:"name"`
		Limit  int64  `json:"limit"`
		Source string `json:"source"`
	} `json:"tier"`
	Verification struct {
		State string `json:"state"`
	} `json:"verification"`
	Increase struct {
		Decision string `json:"decision"`
	} `json:"increase"`
	Quality struct {
		Rating   string `json:"rating"`
		Feedback struct {
			Complaining int64 `json:"complainingUsers"`
			Reached     int64 `json:"reachedUsers"`
		} `json:"feedback"`
	} `json:"quality"`
	Flag struct {
		Since string `json:"sinceTime"`
	} `json:"flag"`
	Restriction struct {
		Since string    `json:"sinceTime"`
		Until time.Time `json:"untilTime"`
	} `json:"restriction"`
	Usage struct {
		Observed time.Time `json:"observedTime"`
		Used     int64     `json:"used"`
		Own      int64     `json:"ownUsed"`
		Users    int64     `json:"uniqueUsers7d"`
		Messages int64     `json:"messages7d"`
	} `json:"usage"`
	Transitions int64 `json:"transitions"`
	History     []struct {
		Time   time.Time `json:"time"`
		Reason string    `json:"reason"`
		From   string    `json:"from"`
		To     string    `json:"to"`
	} `json:"history"`
}

func (j *verifier) statuses(ctx context.Context) (map[string]*status, error) {
	all := map[string]*status{}
	for _, kind := range []string{"PhoneNumberList", "BusinessPortfolioList", "MessageTemplateList"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "whatsapp.numberfleet.dev", Version: "v1alpha1", Kind: kind})
		if err := j.api.List(ctx, list); err != nil {
			return nil, err
		}
		for i := range list.Items {
			item := &list.Items[i]
			content, err := json.Marshal(item.Object["status"])
			if err != nil {
				return nil, err
			}
			s := &status{}
			if err := json.Unmarshal(content, s); err != nil {
				return nil, err
			}
			all[strings.TrimPrefix(item.GetNamespace()+"/"+item.GetName(), "/")] = s
		}
	}
	return all, nil
}

// The gauges whose live values are compared.
const (
	numberUsed    = "numberfleet_phone_number_own_used"
	numberUsers   = "numberfleet_phone_number_unique_users_7d"
	portfolioUsed = "numberfleet_portfolio_used"
)

// scrape reads the gauges of numbers and portfolios at each replica, by metric{namespace/name}.
func (j *verifier) scrape(ctx context.Context) (all []map[string]float64, err error) {
	for _, one := range j.op.all() {
		samples, err := one.Scrape(ctx, j.token, numberUsed, numberUsers, portfolioUsed)
		if err != nil {
			return nil, err
		}
		live := map[string]float64{}
		for _, s := range samples {
			name := strings.TrimPrefix(string(s.Metric["namespace"]+"/"+s.Metric["name"]), "/")
			live[string(s.Metric["__name__"])+"{"+name+"}"] = float64(s.Value)
		}
		all = append(all, live)
	}
	return all, nil
}
