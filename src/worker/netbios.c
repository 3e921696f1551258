#include "netbios.h"

#include <stddef.h>

enum { NETBIOS_REQUEST = 0x81, NETBIOS_ACCEPTED, NETBIOS_REFUSED, NETBIOS_ELSEWHERE, NETBIOS_ALIVE };

static const struct netbios_reason {
	uint8_t reason;
	enum smb_code code;
	const char *text;
} netbios_reasons[] = {
    {0x80, SMB_UNREACHABLE, "the server refuses the NetBIOS session: it does not listen on this name"},
    {0x81, SMB_UNREACHABLE, "the server refuses the NetBIOS session: it does not listen to this computer"},
    {0x82, SMB_UNREACHABLE, "the server refuses the NetBIOS session: nobody there has this name"},
    {0x83, SMB_BUSY, "the server refuses the NetBIOS session: it has no room for it"},
};

static struct {
	uint8_t type; /* 0: nothing that matters was heard */
	uint8_t reason;
} netbios;

void netbios_begin_call(void)
{
	netbios.type = 0;
}

bool netbios_is_none(uint8_t type)
{
	return type != 0 && (type < NETBIOS_REQUEST || type > NETBIOS_ALIVE);
}

void netbios_heard(uint8_t type, uint8_t reason)
{
	if (type == NETBIOS_ALIVE)
		return;
	netbios.type = type;
	netbios.reason = reason;
}

static void netbios_explain_refusal(struct smb_fault *fault)
{
	for (size_t i = 0; i < sizeof netbios_reasons / sizeof netbios_reasons[0]; i++) {
		if (netbios_reasons[i].reason == netbios.reason) {
			fault_set(fault, netbios_reasons[i].code, netbios_reasons[i].text);
			return;
		}
	}
	fault_set(fault, SMB_UNREACHABLE, "the server refuses the NetBIOS session");
}

bool netbios_explain(struct smb_fault *fault)
{
	if (netbios.type == NETBIOS_REFUSED)
		netbios_explain_refusal(fault);
	else if (netbios.type == NETBIOS_ELSEWHERE)
		fault_set(fault, SMB_UNSUPPORTED,
			  "the server sends NetBIOS sessions to another address, which is not followed");
	else if (netbios.type != 0 && netbios.type != NETBIOS_ACCEPTED)
		fault_set(fault, SMB_PROTOCOL, "what answers there is no file server: it does not speak SMB");
	else
		return false;
	return true;
}
