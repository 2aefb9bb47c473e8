package main

import (
	"time"

	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

// The script of the stand-in for Meta's Graph API: what it answers in each cycle of two weeks.

const (
	travel  = "200000000000006" // account of flights and hotels
	harbour = "200000000000005" // account of bookings

	shopping = "200000000000007" // account of shop
	retail   = "200000000000001" // account of newsletter, support and flash-sales

	newsletter, support, flashSales, bank, parcels = "100000000000001", "100000000000002", "100000000000004", "100000000000005", "100000000000006"
	bookings, flights, hotels, shop, forgotten     = "100000000000007", "100000000000008", "100000000000009", "100000000000010", "100000000000099"

	lastMinute = "400000000000001" // a template that hotels sends
	loginCode  = "400000000000002" // and two that shop sends
	autumnSale = "400000000000003"

	travelPortfolio, harbourPortfolio = "300000000000001", "300000000000002"
)

type metaNumber struct{ id, display, name string }

// metaAccounts are the accounts that the stand-in knows.
var metaAccounts = []struct {
	id, portfolio, name string
	token               string // file
	read                bool   // by the operator, with the same token
	numbers             []metaNumber
	known               graphtest.Fields // of the portfolio, from the beginning
}{
	{id: travel, portfolio: travelPortfolio, name: "Acme Travel", token: "acme-travel", read: true, numbers: []metaNumber{
		{flights, "+1 555-010-0008", "Acme Flights"}, {hotels, "+1 555-010-0009", "Acme Hotels"},
	}},
	{id: harbour, portfolio: harbourPortfolio, name: "Harbour Hotel", token: "harbour-hotel", read: true, numbers: []metaNumber{
		{bookings, "+1 555-010-0007", "Harbour Hotel"},
	}, known: graphtest.Fields{"verification_status": "verified", "whatsapp_business_manager_messaging_limit": "TIER_1K"}},
	{id: shopping, portfolio: "300000000000003", name: "Northwind Shop", token: "northwind-shop", read: true, numbers: []metaNumber{
		{shop, "+1 555-010-0010", "Northwind Shop"},
	}, known: graphtest.Fields{"whatsapp_business_manager_messaging_limit": "TIER_1K"}},
	{id: retail, portfolio: "300000000000004", name: "Acme Retail", token: "acme-retail", numbers: []metaNumber{
		{newsletter, "+1 555-010-0001", "Acme News"}, {support, "+1 555-010-0002", "Acme Support"}, {flashSales, "+1 555-010-0004", "Acme Sales"},
		{forgotten, "+1 555-010-0099", "Acme Outlet"},
	}},
	{id: "200000000000003", portfolio: "300000000000005", name: "First Bank", token: "first-bank", numbers: []metaNumber{{bank, "+1 555-010-0005", "First Bank"}}},
	{id: "200000000000004", portfolio: "300000000000006", name: "Swift Parcels", token: "swift-parcels", numbers: []metaNumber{
		{parcels, "+1 555-010-0006", "Swift Parcels"},
	}},
}

type statement struct {
	after  time.Duration // since the start of the cycle
	of     string
	fields graphtest.Fields
}

func rating(color string) graphtest.Fields { return graphtest.Fields{"quality_rating": color} }

func limit(tier string) graphtest.Fields {
	return graphtest.Fields{"whatsapp_business_manager_messaging_limit": tier}
}

// statements are what Meta answers: ratings that no webhook announces; limits that come later than the policy concludes them, and one that
// falls for a day and a half though the policy sees no reason.
var statements = []statement{
	{20 * time.Hour, flights, rating("GREEN")},
	{22 * time.Hour, hotels, rating("GREEN")},
	{26 * time.Hour, bookings, rating("YELLOW")},
	{2*day + 15*time.Hour, hotels, rating("YELLOW")},
	{3 * day, bookings, rating("GREEN")},
	{4*day + 9*time.Hour, hotels, rating("GREEN")},
	{5 * day, harbourPortfolio, limit("TIER_10K")},
	{9 * day, travelPortfolio, limit("TIER_2K")},
	{10*day + 6*time.Hour, harbourPortfolio, limit("TIER_1K")},
	{10*day + 12*time.Hour, travelPortfolio, limit("TIER_10K")},
	{11*day + 18*time.Hour, harbourPortfolio, limit("TIER_10K")},
}

// templateStatements is where the template stands: as the webhooks about it have it, and what they leave out, which is its rating after a
// pause, and its category.
var templateStatements = []statement{
	{ratings[0].after, lastMinute, wording("PAUSED", "RED")},
	{ratings[0].after + 3*time.Hour, lastMinute, wording("APPROVED", "YELLOW")},
	{ratings[1].after, lastMinute, wording("PAUSED", "RED")},
	{ratings[1].after + 6*time.Hour, lastMinute, wording("APPROVED", "YELLOW")},
	{ratings[2].after, lastMinute, wording("DISABLED", "RED")},
	{9 * day, lastMinute, graphtest.Fields{"category": "MARKETING"}},
	{ratings[4].after, lastMinute, wording("APPROVED", "GREEN")},
}

func wording(status, score string) graphtest.Fields {
	return graphtest.Fields{"status": status, "quality_score": graphtest.Fields{"score": score}}
}

// healthStatements are what Meta answers about sending messages.
var healthStatements = []statement{
	{30 * time.Hour, bookings, graphtest.Fields{"can_send_message": "LIMITED", "additional_info": []any{"Your display name has not been approved yet."}}},
	{3 * day, bookings, graphtest.Fields{"can_send_message": "AVAILABLE", "additional_info": nil}},
}

// faults are Meta's: for how long, and what.
var faults = []struct {
	after, lasts time.Duration
	fault        graphtest.Fault
}{
	{36 * time.Hour, 2 * time.Hour, graphtest.Fault{Path: travel, Times: 1, Refusal: graphtest.Throttled(), Header: regain(travel, 40)}},
	{3*day + 12*time.Hour, 6 * time.Hour, graphtest.Fault{Delay: 200 * time.Millisecond}},
	{6 * day, 6 * time.Hour, graphtest.Fault{Path: harbour + "/phone_numbers", Refusal: graphtest.Unavailable()}},
	{8 * day, 2 * time.Hour, graphtest.Fault{Path: harbour, Times: 1, Refusal: graphtest.Throttled(), Header: regain(harbour, 25)}},
	// Of messages: answers that come late, one that never comes, and too many a second.
	{10 * time.Hour, time.Hour, graphtest.Fault{Path: support + "/messages", Delay: 200 * time.Millisecond}},
	{34 * time.Hour, time.Hour, graphtest.Fault{Path: support + "/messages", Times: 1, Close: true}},
	{36 * time.Hour, time.Hour, graphtest.Fault{Path: support + "/messages", Times: 1, Refusal: graphtest.NumberThrottled()}},
}

// The access token of the first account expires on each cycle, and is renewed some hours later.
const (
	tokenExpires = 5*day + 8*time.Hour
	tokenMissing = 3 * time.Hour
)
