#pragma once
// What inspect finds out about a statement: plain facts, no opinion. All texts that name objects are quoted and
// schema-qualified, ready for SQL.
#include "core/rules.hpp"

namespace zdm::core
{

struct Relation {
    std::uint32_t oid = 0;
    std::string_view name;   // public.orders
    std::string_view schema; // unquoted, for error fields
    std::string_view bare;   // unquoted
    std::uint64_t bytes = 0;
};

// A lock the statement as written asks for.
struct Target {
    Relation relation;
    Lock lock;
};

enum class Form : std::uint8_t {
    Other,     // instant, harmless to undo late: runs with what comes last
    AddColumn, // instant; what follows may need the column
    CreateIndex,
    DropIndex,
    Reindex,
    Refresh,
    DomainCheck,
    AddForeignKey,
    AddCheck,
    SetNotNull,
    AlterType, // cannot be undone: runs last
    AddUnique,
    AddPrimaryKey,
    RedefineKey, // a primary key instead of the one that the same statement drops; `finish` is its command in the end
    Validate,    // scans under a lock that blocks nobody, unless a stronger one is held already
    AttachPartition,
    DetachPartition,
    CreatePartition,
};

// A table below a partitioned one, and the index there that is to become a part of the new one.
struct Partition {
    Relation relation;
    Relation index;                // oid 0 unless it exists
    Relation parent_index;         // to which it is to be attached
    std::string_view index_name;   // quoted
    std::string_view index_clause; // as Part::definition
    std::string_view leftover;     // an INVALID index of a failed build, to be dropped first: qualified
    bool partitioned = false;      // has partitions of its own
    bool attached = false;         // already a part
};

// A CHECK that is to prove what a scan would show.
struct Proof {
    Relation relation;
    std::string_view name;       // quoted
    std::string_view definition; // with its brackets
    std::string_view message;    // PostgreSQL's own for a row that breaks it; %s: the relation
    bool below = false;          // rows of children and partitions count too
    bool probe = true;           // such a row may be looked for first
};

struct Statement;

// One command of a statement: ALTER TABLE has several, everything else one.
struct Part {
    Form form = Form::Other;
    bool hazard = false; // as written it is an instance of `rule`
    Rule rule{};
    bool rewritable = false; // this very instance has a safe plan
    Lock lock = Lock::None;  // as written, on `relation`
    Work work = Work::Instant;
    Relation relation;
    std::string_view source;                // the user's words, between the commas
    std::string_view hint;                  // the safe SQL, where there is no plan
    std::string_view reason;                // more for DETAIL, or empty
    std::string_view name;                  // of the index, constraint or column, quoted
    std::string_view qualified;             // of the index, schema-qualified
    std::string_view label;                 // of the same, unquoted, for error fields
    std::string_view definition;            // index: from USING or the bracket on; CHECK: the bracket
    std::string_view predicate;             // of a partial index, or empty
    std::string_view leftover;              // an INVALID index to drop first
    Relation partner;                       // referenced table
    List<std::string_view> columns;         // quoted; of an index: its key expressions
    List<std::string_view> key_names;       // UNIQUE: as PostgreSQL names them in DETAIL
    List<std::string_view> partner_columns; // quoted
    List<std::string_view> collations;      // FOREIGN KEY: " COLLATE x" behind each column, or empty
    List<std::string_view> undo_not_null;   // statements that make `nullable` nullable again where it was so before
    List<std::string_view> equals;          // FOREIGN KEY: operator of each pair, OPERATOR(pg_catalog.=)
    List<std::string_view> nullable;        // SET NOT NULL, PRIMARY KEY: columns that are to be proven NOT NULL
    List<Partition> partitions;             // of a partitioned table, each behind its parent
    List<Proof> proofs;                     // to be made valid before it runs, and dropped with it
    List<const Statement *> before;         // to be carried out before it, each by its own plan
    List<Target> also;                      // further locks of the last step
    std::string_view proof_name;            // for the CHECK that proves it, quoted
    std::string_view first;                 // ADD COLUMN to be filled: the statements that add it
    std::string_view fill;                  // the call that starts the job that fills it
    std::string_view stop_fill;             // what stops that job
    std::string_view finish;                // what is to be done once it is filled and NOT NULL, or empty
    std::string_view makes_room;            // change of type: what makes room for it in its own transaction
    std::string_view constraint;            // RedefineKey: its name, unquoted; `label` is the index's until then
    std::string_view puts_back;             // and what is put back
    List<std::string_view> validate;        // constraints that came back NOT VALID, quoted
    std::string_view analyze;               // what to ANALYZE in the end
    std::string_view keeps;                 // ADD COLUMN: condition of rows for whose sake undo must leave the column
    bool unique = false;
    bool nulls_equal = false; // NULLS NOT DISTINCT
    bool if_not_exists = false;
    bool only = false; // ONLY, or NO INHERIT
    bool match_full = false;
    bool whole_at_end = false;  // once all partitions have theirs, the statement itself finds them and does the rest
    bool below = false;         // rows of children and partitions count too
    bool hint_is_whole = false; // hint stands for the whole statement
    bool composite = false;     // a column to be NOT NULL is a row: IS NULL would look into it
    bool probe = true;          // whether rows that break it can and may be looked for
    bool after_add = false;     // concerns a column that the same statement adds
    bool mild_in_block = false; // in a transaction block its hazard is worth a warning, no more
    bool fine_in_block = false; // in a transaction block it is no hazard: what is safer cannot run there
    bool outside_only = false;  // PostgreSQL itself refuses it in a transaction block
    bool runs_in_block = false; // its plan is one transaction, and may be the user's
    bool only_in_block = false; // a hazard in a transaction block alone
};

struct Statement {
    std::string_view text; // as the user wrote it, without the semicolon
    std::string_view tag;  // CREATE INDEX
    std::string_view head; // ALTER TABLE: "ALTER TABLE ONLY public.orders "
    Relation relation;     // the main one; oid 0 if there is none
    List<Target> targets;  // locks as written, in the order in which they should be taken
    List<Part> parts;
    List<Part> notes;         // hazards beside those of the commands, which no plan takes away
    bool opaque = false;      // locks relations that only PostgreSQL will find
    bool waits_long = false;  // concurrent forms: their waits block nobody and must not be cut short
    bool commits = false;     // as written it commits by itself: concurrent forms, VACUUM, CLUSTER, REINDEX
    std::string_view warning; // to be said in any case, or empty
};

} // namespace zdm::core
