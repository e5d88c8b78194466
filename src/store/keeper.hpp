#pragma once
// How this room talks to its tables: as their owner, under a search_path that nobody else can write to.
#include "pg/spi.hpp"
#include "pg/xact.hpp"

namespace zdm::store
{

// Arguments of one of our statements.
struct Args {
    static constexpr int kRoom = 20;
    Oid types[kRoom];
    Datum values[kRoom];
    char nulls[kRoom];
    int count = 0;

    Args &add(Oid type, Datum value, bool null = false)
    {
        Assert(count < kRoom);
        types[count] = type;
        values[count] = value;
        nulls[count] = null ? 'n' : ' ';
        count++;
        return *this;
    }
    Args &big(int64 value) { return add(INT8OID, Int64GetDatum(value)); }
    Args &number(int32 value) { return add(INT4OID, Int32GetDatum(value)); }
    Args &real(double value) { return add(FLOAT8OID, Float8GetDatum(value)); }
    Args &oid(Oid value) { return add(OIDOID, ObjectIdGetDatum(value)); }
    Args &text(const char *value)
    {
        return add(TEXTOID, value == nullptr ? Datum{0} : CStringGetTextDatum(value), value == nullptr);
    }
    Args &texts(Datum value) { return add(TEXTARRAYOID, value, value == 0); }
};

inline Oid keeper()
{
    const Oid schema = get_namespace_oid("zdm", false);
    const Oid table = get_relname_relid("job", schema);
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
    if (!HeapTupleIsValid(tuple)) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"zdm.job\" does not exist"),
                errhint("Run CREATE EXTENSION zdm."));
    }
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;

    ReleaseSysCache(tuple);
    return owner;
}

// Runs body connected to SPI as the owner of our tables. The context it was called in is `outer`: what body
// wants to return it makes there.
template <class F> void as_keeper(F &&body)
{
    MemoryContext outer = CurrentMemoryContext;

    pg::as_role(keeper(), SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS, [&] {
        pg::set_local("search_path", "pg_catalog, pg_temp");
        SPI_connect();
        body(outer);
        SPI_finish();
    });
    MemoryContextSwitchTo(outer);
}

// Rows that came, or were written.
inline uint64 run(const char *sql, Args &args)
{
    pg::spi_check(SPI_execute_with_args(sql, args.count, args.types, args.values, args.nulls, false, 0));
    return SPI_processed;
}

inline Datum field(uint64 row, int column, bool *null)
{
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, null);
}

inline int64 big_field(int column)
{
    bool null = false;
    const Datum value = field(0, column, &null);
    return null ? 0 : DatumGetInt64(value);
}

inline int32 number_field(int column)
{
    bool null = false;
    const Datum value = field(0, column, &null);
    return null ? 0 : DatumGetInt32(value);
}

inline double real_field(int column)
{
    bool null = false;
    const Datum value = field(0, column, &null);
    return null ? 0 : DatumGetFloat8(value);
}

inline Oid oid_field(int column)
{
    bool null = false;
    const Datum value = field(0, column, &null);
    return null ? InvalidOid : DatumGetObjectId(value);
}

inline const char *text_field(MemoryContext to, int column)
{
    bool null = false;
    const Datum value = field(0, column, &null);
    if (null) {
        return nullptr;
    }
    MemoryContext here = MemoryContextSwitchTo(to);
    const char *copy = TextDatumGetCString(value);
    MemoryContextSwitchTo(here);
    return copy;
}

inline Datum texts_field(MemoryContext to, int column)
{
    bool null = false;
    const Datum value = field(0, column, &null);
    if (null) {
        return 0;
    }
    MemoryContext here = MemoryContextSwitchTo(to);
    const Datum copy = PointerGetDatum(DatumGetArrayTypePCopy(value));
    MemoryContextSwitchTo(here);
    return copy;
}

// The settings that give an expression its meaning, as they are now: text[] of name, value, name, value.
Datum context_of_call();

} // namespace zdm::store
