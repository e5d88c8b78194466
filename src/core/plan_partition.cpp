// Partitioned tables: what is long is done partition by partition, where it blocks nobody; what is left for the whole
// is instant.
#include "core/draft.hpp"

namespace zdm::core
{

namespace
{

// Step on a partition, not needed once the partition is gone.
Step &act_on(Draft &draft, const Part &part, const Partition &partition, StepKind kind, Lock lock, Work work,
             std::string_view sql, std::string_view undo = "")
{
    Step &step = draft.act(kind, part, lock, work, sql, undo);
    step.relation = partition.relation;
    step.partition = partition.relation.oid;
    step.partition_of = part.relation.oid;
    step.only = true;
    return step;
}

void build_on_leaf(Draft &draft, const Part &part, const Partition &partition)
{
    if (!partition.leftover.empty()) {
        act_on(draft, part, partition, StepKind::Concurrent, Lock::ShareUpdateExclusive, Work::Instant,
               draft.text({"DROP INDEX CONCURRENTLY IF EXISTS ", partition.leftover}))
            .leftover = partition.index.bare;
    }
    Step &build =
        act_on(draft, part, partition, StepKind::Concurrent, Lock::ShareUpdateExclusive, Work::IndexBuild,
               draft.text({"CREATE ", part.unique ? "UNIQUE " : "", "INDEX CONCURRENTLY ", partition.index_name, " ON ",
                           partition.relation.name, " ", partition.index_clause}),
               draft.text({"DROP INDEX CONCURRENTLY IF EXISTS ", partition.index.name}));
    build.builds = partition.index.bare;
    build.own_name = true;
}

void create_on_parent(Draft &draft, const Part &part, const Relation &relation, std::string_view name,
                      std::string_view qualified, std::string_view clause)
{
    Step &create = draft.act(
        StepKind::Instant, part, Lock::Share, Work::Instant,
        draft.text({"CREATE ", part.unique ? "UNIQUE " : "", "INDEX ", name, " ON ONLY ", relation.name, " ", clause}),
        draft.text({"DROP INDEX IF EXISTS ", qualified}));
    create.relation = relation;
    create.only = true;
    create.own_name = true;
}

// What is attached goes with its parent: to undo it is to drop the parent's index, before that of a partition, which
// would not go without it.
void attach(Draft &draft, const Part &part, const Partition &partition)
{
    Step &step =
        act_on(draft, part, partition, StepKind::Instant, Lock::AccessShare, Work::Instant,
               draft.text({"ALTER INDEX ", partition.parent_index.name, " ATTACH PARTITION ", partition.index.name}),
               draft.text({"DROP INDEX IF EXISTS ", part.qualified}));
    step.relation = part.relation;
    step.also.push({partition.relation, Lock::AccessShare});
    step.also.push({partition.parent_index, Lock::ShareUpdateExclusive});
    step.also.push({partition.index, Lock::AccessExclusive});
}

// A key of its own under the name that it will have as a part of the parent's.
void add_key_on_leaf(Draft &draft, const Part &part, const Partition &partition, bool primary)
{
    const std::string_view alter = draft.text({"ALTER TABLE ", partition.relation.name, " "});

    build_on_leaf(draft, part, partition);
    act_on(draft, part, partition, StepKind::Instant, Lock::AccessExclusive, Work::Instant,
           draft.text({alter, "ADD CONSTRAINT ", partition.index_name, primary ? " PRIMARY KEY" : " UNIQUE",
                       " USING INDEX ", partition.index_name}),
           draft.text({alter, "DROP CONSTRAINT IF EXISTS ", partition.index_name}));
}

void probe_proof(Draft &draft, const Part &part, const Proof &proof)
{
    Violation violation;
    violation.sqlstate = "23514";
    violation.message = proof.message;
    violation.names_relation = true;
    Step &probe = draft.probe(
        part,
        draft.text({"SELECT (SELECT c.relname FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) ",
                    proof.relation.name, ".tableoid) FROM ", proof.below ? "" : "ONLY ", proof.relation.name,
                    " WHERE NOT ", proof.definition, " LIMIT 1"}),
        violation);
    probe.relation = proof.relation;
}

void prove(Draft &draft, const Part &part, const Proof &proof)
{
    const std::string_view alter = draft.text({"ALTER TABLE ", proof.relation.name, " "});

    Step &add = draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant,
                          draft.text({alter, "ADD CONSTRAINT ", proof.name, " CHECK ", proof.definition, " NOT VALID"}),
                          draft.text({alter, "DROP CONSTRAINT IF EXISTS ", proof.name}));
    add.relation = proof.relation;
    add.own_name = true;
    draft
        .act(StepKind::Long, part, Lock::ShareUpdateExclusive, Work::Scan,
             draft.text({alter, "VALIDATE CONSTRAINT ", proof.name}))
        .relation = proof.relation;
}

} // namespace

// The statement itself comes last: it finds the keys of the partitions and makes them its own, without a scan.
void plan_partitioned_key(Draft &draft, const Part &part, bool primary, std::string_view head)
{
    Part index = part;

    index.unique = true;
    if (part.probe) {
        probe_duplicates(draft, index);
    }
    for (const Partition &partition : part.partitions) {
        if (!partition.partitioned && partition.index.oid == 0) {
            add_key_on_leaf(draft, index, partition, primary);
        }
    }
    draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant, draft.text({head, part.source}),
              draft.text({"ALTER TABLE ", part.relation.name, " DROP CONSTRAINT IF EXISTS ", part.name}));
}

// Likewise.
void plan_partitioned_foreign_key(Draft &draft, const Part &part, std::string_view head)
{
    if (part.probe) {
        probe_foreign_key(draft, part);
    }
    for (const Partition &partition : part.partitions) {
        if (partition.attached || partition.partitioned) {
            continue;
        }
        const std::string_view alter = draft.text({"ALTER TABLE ", partition.relation.name, " "});
        Step &add = act_on(draft, part, partition, StepKind::Instant, Lock::ShareRowExclusive, Work::Instant,
                           draft.text({alter, part.source, " NOT VALID"}),
                           draft.text({alter, "DROP CONSTRAINT IF EXISTS ", part.name}));
        add.also.push({part.partner, Lock::ShareRowExclusive});
        act_on(draft, part, partition, StepKind::Long, Lock::ShareUpdateExclusive, Work::Scan,
               draft.text({alter, "VALIDATE CONSTRAINT ", part.name}));
    }
    Step &last =
        draft.act(StepKind::Instant, part, Lock::ShareRowExclusive, Work::Instant, draft.text({head, part.source}),
                  draft.text({"ALTER TABLE ", part.relation.name, " DROP CONSTRAINT IF EXISTS ", part.name}));
    // The partitions' own triggers there go.
    last.also.push({part.partner, Lock::AccessExclusive});
}

void plan_proven(Draft &draft, const Settings &settings, const Part &part, std::string_view head)
{
    for (const Statement *before : part.before) {
        for (const Step &step : plan(draft.arena, rewriting(settings), *before).steps) {
            (step.kind == StepKind::Probe ? draft.probes : draft.acts).push(step);
        }
    }
    Text sql(draft.arena);
    sql << head << part.source;
    for (const Proof &proof : part.proofs) {
        if (proof.probe) {
            probe_proof(draft, part, proof);
        }
        prove(draft, part, proof);
        sql << "; ALTER TABLE " << proof.relation.name << " DROP CONSTRAINT " << proof.name;
    }
    Step &last = draft.act(StepKind::Instant, part,
                           part.form == Form::AttachPartition ? Lock::ShareUpdateExclusive : Lock::AccessExclusive,
                           Work::Instant, sql.str());
    last.relation = part.partner;
    last.only = true;
    for (const Target &target : part.also) {
        last.also.push(target);
    }
}

// CONCURRENTLY keeps the bounds as a CHECK, which the plain form does not: after it the way back is short.
void plan_detach(Draft &draft, const Part &part)
{
    const std::string_view drop =
        draft.text({"ALTER TABLE ", part.relation.name, " DROP CONSTRAINT IF EXISTS ", part.name});
    const std::string_view alter = draft.text({"ALTER TABLE ", part.partner.name, " "});
    const std::string_view detach = draft.text({alter, "DETACH PARTITION ", part.relation.name});

    Step &step = draft.act(StepKind::Concurrent, part, Lock::ShareUpdateExclusive, Work::Instant,
                           draft.text({detach, " CONCURRENTLY"}),
                           draft.text({alter, "ATTACH PARTITION ", part.relation.name, " ", part.definition,
                                       part.name.empty() ? "" : "; ", part.name.empty() ? "" : drop}));
    step.relation = part.partner;
    step.only = true;
    step.also.push({part.relation, Lock::ShareUpdateExclusive});
    step.detaches = part.relation.oid;
    step.finish = draft.text({detach, " FINALIZE"});
    if (!part.name.empty()) {
        draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant, drop);
    }
}

void plan_partitioned_index(Draft &draft, const Part &part)
{
    if (part.unique && part.probe) {
        probe_duplicates(draft, part);
    }
    if (!part.whole_at_end) {
        create_on_parent(draft, part, part.relation, part.name, part.qualified, part.definition);
    }
    for (const Partition &partition : part.partitions) {
        if (!part.whole_at_end && partition.partitioned && partition.index.oid == 0) {
            create_on_parent(draft, part, partition.relation, partition.index_name, partition.index.name,
                             partition.index_clause);
        }
    }
    for (const Partition &partition : part.partitions) {
        if (!partition.partitioned && partition.index.oid == 0) {
            build_on_leaf(draft, part, partition);
        }
    }
    if (part.whole_at_end) {
        draft.act(StepKind::Instant, part, Lock::Share, Work::Instant, part.source);
        return;
    }
    // From below: an index becomes valid with its last part, unless a partition has come that the plan knows nothing
    // of.
    bool any = false;
    for (std::uint32_t i = part.partitions.count; i-- > 0;) {
        if (!part.partitions[i].attached) {
            attach(draft, part, part.partitions[i]);
            any = true;
        }
    }
    if (any) {
        draft.acts[draft.acts.count - 1].completes = part.label;
    }
}

} // namespace zdm::core
