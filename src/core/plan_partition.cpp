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

} // namespace

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
    // From below: an index becomes valid with its last part.
    for (std::uint32_t i = part.partitions.count; i-- > 0;) {
        if (!part.partitions[i].attached) {
            attach(draft, part, part.partitions[i]);
        }
    }
}

} // namespace zdm::core
