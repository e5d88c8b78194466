#include "fill/key.hpp"

#include "pg/compat.hpp"
#include "pg/xact.hpp"

namespace zdm::fill
{

namespace
{

// A row comparison follows an index only if each column sorts by its type's default order and its own
// collation.
bool walks_in_default_order(Relation relation, Relation index)
{
    for (int i = 0; i < index->rd_index->indnkeyatts; i++) {
        const AttrNumber column = index->rd_index->indkey.values[i];
        const auto *attribute = TupleDescAttr(RelationGetDescr(relation), column - 1);
        const Oid opclass = GetDefaultOpClass(getBaseType(attribute->atttypid), BTREE_AM_OID);

        if (!OidIsValid(opclass) || get_opclass_family(opclass) != index->rd_opfamily[i] ||
            index->rd_indoption[i] != 0 || index->rd_indcollation[i] != attribute->attcollation) {
            return false;
        }
    }
    return true;
}

bool is_key(Relation relation, Relation index)
{
    const auto *form = index->rd_index;

    // A deferrable primary key will do: a range of keys takes its duplicates along.
    if (!form->indisunique || !(form->indimmediate || form->indisprimary) || !form->indisvalid || !form->indisready ||
        !form->indislive || index->rd_rel->relam != BTREE_AM_OID ||
        !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr)) {
        return false;
    }
    for (int i = 0; i < form->indnkeyatts; i++) {
        const AttrNumber column = form->indkey.values[i];
        if (column <= 0 || !pg::is_not_null(relation, column)) {
            return false;
        }
    }
    return walks_in_default_order(relation, index);
}

Oid operator_of(Relation index, int i, int16 strategy)
{
    return get_opfamily_member(index->rd_opfamily[i], index->rd_opcintype[i], index->rd_opcintype[i], strategy);
}

char *schema_of_operator(Oid op)
{
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));
    if (!HeapTupleIsValid(tuple)) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("operator %u was dropped", op));
    }
    char *schema = get_namespace_name(reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple))->oprnamespace);

    ReleaseSysCache(tuple);
    return schema;
}

// One comparison of rows has one operator name. Where its columns' operators live in several schemas, only
// the search_path can find them all.
void name_operators(Relation index, Key *key)
{
    const Oid first = operator_of(index, 0, BTGreaterStrategyNumber);
    const char *schema = schema_of_operator(first);
    StringInfoData path;

    initStringInfo(&path);
    for (int i = 1; i < key->count; i++) {
        const char *other = schema_of_operator(operator_of(index, i, BTGreaterStrategyNumber));
        if (strcmp(other, schema) != 0) {
            appendStringInfo(&path, ", %s", quote_identifier(other));
        }
    }
    if (path.len > 0) {
        appendStringInfo(&path, ", %s", quote_identifier(schema));
        key->more_path = path.data;
        key->greater = ">";
        key->equal = "=";
        key->at_most = "<=";
        return;
    }
    key->greater = psprintf("OPERATOR(%s.%s)", quote_identifier(schema), get_opname(first));
    key->equal =
        psprintf("OPERATOR(%s.%s)", quote_identifier(schema), get_opname(operator_of(index, 0, BTEqualStrategyNumber)));
    key->at_most = psprintf("OPERATOR(%s.%s)", quote_identifier(schema),
                            get_opname(operator_of(index, 0, BTLessEqualStrategyNumber)));
}

void describe(Relation relation, Relation index, Key *key)
{
    StringInfoData list;
    StringInfoData descending;

    initStringInfo(&list);
    initStringInfo(&descending);
    key->count = index->rd_index->indnkeyatts;
    key->index = RelationGetRelid(index);
    for (int i = 0; i < key->count; i++) {
        const AttrNumber column = index->rd_index->indkey.values[i];
        const auto *attribute = TupleDescAttr(RelationGetDescr(relation), column - 1);
        const char *name = quote_identifier(NameStr(attribute->attname));

        key->columns[i] = column;
        key->types[i] = getBaseType(attribute->atttypid);
        get_typlenbyval(key->types[i], &key->lengths[i], &key->by_value[i]);
        appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", name);
        appendStringInfo(&descending, "%s%s DESC", i > 0 ? ", " : "", name);
    }
    key->names_list = list.data;
    key->names_desc = descending.data;
    key->names = key->count == 1 ? list.data : psprintf("(%s)", list.data);
    name_operators(index, key);
}

// Every session must read and write a key alike.
template <class F> void with_plain_output(F &&body)
{
    pg::with_settings([&] {
        pg::set_local("DateStyle", "ISO, YMD");
        pg::set_local("IntervalStyle", "postgres");
        pg::set_local("TimeZone", "UTC");
        pg::set_local("extra_float_digits", "3");
        pg::set_local("bytea_output", "hex");
        pg::set_local("lc_monetary", "C");
        pg::set_local("search_path", "pg_catalog, pg_temp");
        body();
    });
}

char *column_numbers(const Key &key)
{
    StringInfoData numbers;

    initStringInfo(&numbers);
    for (int i = 0; i < key.count; i++) {
        appendStringInfo(&numbers, "%s%d", i > 0 ? "," : "", key.columns[i]);
    }
    return numbers.data;
}

} // namespace

Key find_key(Relation relation)
{
    Key key{};
    List *indexes = RelationGetIndexList(relation);
    Oid best = InvalidOid;
    int fewest = INDEX_MAX_KEYS + 1;
    ListCell *cell = nullptr;

    foreach (cell, indexes) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        const int columns = index->rd_index->indisprimary ? 0 : index->rd_index->indnkeyatts;

        if (columns < fewest && is_key(relation, index)) {
            best = RelationGetRelid(index);
            fewest = columns;
        }
        index_close(index, AccessShareLock);
    }
    list_free(indexes);

    if (OidIsValid(best)) {
        Relation index = index_open(best, AccessShareLock);
        describe(relation, index, &key);
        index_close(index, AccessShareLock);
    }
    return key;
}

bool same_columns(const Key &one, const Key &other)
{
    return one.count == other.count &&
           memcmp(one.columns, other.columns, sizeof(AttrNumber) * static_cast<Size>(one.count)) == 0;
}

void refuse_other_key()
{
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("the key of the table has changed since the backfill began"),
            errdetail("How far it is was written down in terms of the old key."));
}

Datum to_texts(const Key &key, const Datum *values)
{
    Datum texts[INDEX_MAX_KEYS + 1];

    texts[0] = CStringGetTextDatum(column_numbers(key));

    with_plain_output([&] {
        for (int i = 0; i < key.count; i++) {
            Oid output = InvalidOid;
            bool varlena = false;
            getTypeOutputInfo(key.types[i], &output, &varlena);
            texts[i + 1] = CStringGetTextDatum(OidOutputFunctionCall(output, values[i]));
        }
    });
    return PointerGetDatum(construct_array(texts, key.count + 1, TEXTOID, -1, false, TYPALIGN_INT));
}

void from_texts(const Key &key, Datum texts, Datum *values)
{
    Datum *items = nullptr;
    int count = 0;

    deconstruct_array(DatumGetArrayTypeP(texts), TEXTOID, -1, false, TYPALIGN_INT, &items, nullptr, &count);
    if (count != key.count + 1 || strcmp(TextDatumGetCString(items[0]), column_numbers(key)) != 0) {
        refuse_other_key();
    }
    with_plain_output([&] {
        for (int i = 0; i < key.count; i++) {
            Oid input = InvalidOid;
            Oid parameter = InvalidOid;
            getTypeInputInfo(key.types[i], &input, &parameter);
            values[i] = OidInputFunctionCall(input, TextDatumGetCString(items[i + 1]), parameter, -1);
        }
    });
}

char *key_text(Datum texts)
{
    Datum *items = nullptr;
    int count = 0;
    StringInfoData row;

    deconstruct_array(DatumGetArrayTypeP(texts), TEXTOID, -1, false, TYPALIGN_INT, &items, nullptr, &count);
    if (count == 2) {
        return TextDatumGetCString(items[1]);
    }
    initStringInfo(&row);
    for (int i = 1; i < count; i++) {
        const char *value = TextDatumGetCString(items[i]);
        const bool quoted = value[0] == '\0' || strpbrk(value, "\"\\(), \t\n\r\v\f") != nullptr;
        appendStringInfoString(&row, i > 1 ? "," : "(");
        appendStringInfoString(&row, quoted ? "\"" : "");
        for (; *value != '\0'; value++) {
            if (*value == '"' || *value == '\\') {
                appendStringInfoChar(&row, *value);
            }
            appendStringInfoChar(&row, *value);
        }
        appendStringInfoString(&row, quoted ? "\"" : "");
    }
    appendStringInfoChar(&row, ')');
    return row.data;
}

void copy_values(const Key &key, const Datum *from, Datum *to)
{
    for (int i = 0; i < key.count; i++) {
        to[i] = datumCopy(from[i], key.by_value[i], key.lengths[i]);
    }
}

} // namespace zdm::fill
