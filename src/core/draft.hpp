#pragma once
// A plan in the making, and what each family of statements puts into it.
#include "core/plan.hpp"

namespace zdm::core
{

// Collects steps: looking comes first, acting after it, so that a statement that must fail has changed nothing. Only
// what stands on a new column has to be looked at once that is there.
struct Draft {
    Arena arena;
    List<Step> probes;
    List<Step> columns; // that are added, and filled
    List<Step> probes_of_columns;
    List<Step> acts;

    explicit Draft(Arena a) : arena(a), probes(a), columns(a), probes_of_columns(a), acts(a) {}

    std::string_view text(std::initializer_list<std::string_view> pieces) { return concat(arena, pieces); }

    std::string_view join(const List<std::string_view> &items, std::string_view between, std::string_view before = "",
                          std::string_view after = "")
    {
        Text all(arena);
        for (std::uint32_t i = 0; i < items.count; i++) {
            all << (i == 0 ? "" : between) << before << items[i] << after;
        }
        return all.str();
    }

    Step &act(StepKind kind, const Part &part, Lock lock, Work work, std::string_view sql, std::string_view undo = "")
    {
        return acts.push(step(kind, part, lock, work, sql, undo));
    }

    [[nodiscard]] Step step(StepKind kind, const Part &part, Lock lock, Work work, std::string_view sql,
                            std::string_view undo = "") const
    {
        Step step;
        step.kind = kind;
        step.sql = sql;
        step.undo = undo;
        step.lock = lock;
        step.work = work;
        step.relation = part.relation;
        step.also = List<Target>(arena);
        return step;
    }

    Step &probe(const Part &part, std::string_view sql, const Violation &violation)
    {
        Step step;
        step.kind = StepKind::Probe;
        step.sql = sql;
        step.lock = Lock::AccessShare;
        step.work = Work::Scan;
        step.relation = part.relation;
        step.violation = violation;
        return (part.after_add ? probes_of_columns : probes).push(step);
    }
};

// What the safe form is does not depend on what the settings say about using it.
Settings rewriting(const Settings &settings);

// Whether this part runs by its safe plan and not as written.
bool is_rewritten(const Settings &settings, const Part &part);

void probe_duplicates(Draft &draft, const Part &part);
// New columns that other parts stand on, or that are to be filled. False if none need to come first.
bool plan_new_columns(Draft &draft, const Settings &settings, const Statement &statement);
void plan_column_end(Draft &draft, const Part &part);

// What is to be done once types have changed, by `change`: it cannot be undone, but said.
void plan_after_types(Draft &draft, const Settings &settings, const Statement &statement, Step &change);

void plan_create_index(Draft &draft, const Part &part);
// ATTACH PARTITION, and CREATE TABLE ... PARTITION OF beside a default partition that is not empty.
void plan_proven(Draft &draft, const Settings &settings, const Part &part, std::string_view head);
void plan_detach(Draft &draft, const Part &part);
void plan_partitioned_index(Draft &draft, const Part &part);
void plan_partitioned_key(Draft &draft, const Part &part, bool primary, std::string_view head);
void plan_partitioned_foreign_key(Draft &draft, const Part &part, std::string_view head);
// `primary`: PRIMARY KEY, else UNIQUE; over an index that is built first.
void plan_key(Draft &draft, const Part &part, bool primary);
// The index of a primary key that takes the place of another in the end.
void plan_redefined_key(Draft &draft, const Part &part);
void plan_drop_index(Draft &draft, const Part &part);
void plan_refresh(Draft &draft, const Part &part);
void plan_domain_check(Draft &draft, const Part &part);
void plan_reindex(Draft &draft, const Part &part);

// NOT NULL of all columns of the statement, in one scan.
void plan_not_null(Draft &draft, const Settings &settings, const Statement &statement);
void plan_check(Draft &draft, const Part &part, std::string_view head);
Step &probe_foreign_key(Draft &draft, const Part &part);
void plan_foreign_key(Draft &draft, const Part &part, std::string_view head);
void plan_validate(Draft &draft, const Part &part, std::string_view head);

} // namespace zdm::core
