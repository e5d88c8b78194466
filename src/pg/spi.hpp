#pragma once
// What SPI reports by return code is a mistake of ours; all else it raises itself.
#include "pg/postgres.hpp"

namespace zdm::pg
{

inline void spi_check(int code)
{
    if (code < 0) {
        ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg_internal("SPI: %s", SPI_result_code_string(code)));
    }
}

// A plan that outlives the transaction.
inline SPIPlanPtr spi_keep(SPIPlanPtr plan)
{
    spi_check(plan == nullptr ? SPI_result : SPI_keepplan(plan));
    return plan;
}

} // namespace zdm::pg
