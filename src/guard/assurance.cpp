#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "guard/assurance.hpp"
#include "pg/memory.hpp"

namespace zdm::guard
{

namespace
{

bool use_up_at_end = false;

} // namespace

bool is_assured(const core::Settings &settings)
{
    if (settings.safety_assured && !settings.allow_safety_assured) {
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("zdm.safety_assured cannot be used here"),
                        errdetail("zdm.allow_safety_assured is off."),
                        errhint("RESET zdm.safety_assured, or ask a superuser.")));
    }
    return settings.safety_assured;
}

void use_up_assurance(std::string_view text, bool in_block)
{
    ereport(LOG, (errmsg("zdm.safety_assured used by role \"%s\", application \"%s\"",
                         GetUserNameFromId(GetUserId(), false), application_name == nullptr ? "" : application_name),
                  errdetail_log("Statement: %s", pg::cstring(text))));
    if (!conf::safety_assured_is_single_use()) {
        return;
    }
    if (in_block) {
        use_up_at_end = true;
    } else {
        conf::use_up_safety_assured();
    }
}

void assurance_at_transaction_event(XactEvent event)
{
    if (use_up_at_end && (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)) {
        use_up_at_end = false;
        conf::use_up_safety_assured();
    }
}

} // namespace zdm::guard
