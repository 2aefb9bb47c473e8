// Package meta knows the wire formats of Meta's WhatsApp Business Platform, and nothing of what is done with them.
//
// Parse reads the body of one webhook POST. Only what is used is checked, so that a field Meta adds or changes does not
// stop a number's events; what is used is checked strictly, because an event that is read wrong is counted wrong: it
// is passed over, and told of.
//
// Sources: Meta's pages "webhooks/overview", "webhooks/create-webhook-endpoint", "webhooks/reference/*" and
// "business-scoped-user-ids" under developers.facebook.com/documentation/business-messaging/whatsapp, as of 2026.
package meta
