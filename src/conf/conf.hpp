#pragma once
#include "core/settings.hpp"

namespace zdm::conf
{

// Defines the zdm.* settings. `preloaded`: by shared_preload_libraries.
void define(bool preloaded);

// zdm.mode = off: the one test on the way of every statement. Touches no catalog.
bool off();

// Single settings for the way of every query.
int max_dml_rows();
bool limits_lock_hold();
core::Action action(core::Rule rule);

// The settings of now.
core::Settings current();

// zdm.safety_assured was given by SET in this session, so the next guarded statement uses it up.
bool safety_assured_is_single_use();
// From now on zdm.safety_assured reads `off` until somebody sets it again.
void use_up_safety_assured();

} // namespace zdm::conf
