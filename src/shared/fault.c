#include "fault.h"

#include <stdio.h>
#include <string.h>

bool fault_set(struct smb_fault *fault, enum smb_code code, const char *text)
{
	fault->code = (uint32_t)code;
	snprintf(fault->text, sizeof fault->text, "%s", text);
	return false;
}

bool fault_errno(struct smb_fault *fault, enum smb_code code, const char *text, int error)
{
	fault->code = (uint32_t)code;
	fault->error = error;
	snprintf(fault->text, sizeof fault->text, "%s (%s)", text, strerror(error));
	return false;
}
