// Package graph reads phone numbers, message templates and WhatsApp Business accounts from Meta's Graph API.
//
// A webhook tells of some changes of a number, and of none of its rating or status since October 2025; those are only read
// here. Client makes the calls, Limiter keeps them within what Meta allows an account, and every failure is an *Error that
// says whether, and when, to come back.
//
// Words of Meta's are kept as they came, for Meta adds to them, and turned into the words used here by methods that say
// whether they know them. A field that is left out, or came in a shape that is not known, costs that field and not the
// rest; it is named in Unread.
//
// Sources: Meta's pages "reference/whatsapp-business-phone-number", "reference/whatsapp-business-account",
// "support/health-status", "support/error-codes", "messaging-limits" and "changelog" under
// developers.facebook.com/documentation/business-messaging/whatsapp, and "graph-api/overview/rate-limiting" and
// "graph-api/guides/error-handling" under developers.facebook.com/docs, as of 2026.
package graph
