{#- A value after its rule, as an SQL expression; the one door to every rule. `owner` is what `subject_of`
    gives, `type` the type of the value as the catalog calls it. Add a rule: a macro rule__<name> beside this
    one, its name here and in erasure/rules.py. Applying a rule twice must change nothing: whether a value is
    masked is asked by comparing it with its rule's result. -#}
{% macro rule(name, value, owner, type) -%}
    {%- set by_name = {
        'constant': rule__constant,
        'unique': rule__unique,
        'clear': rule__clear,
        'hash': rule__hash,
        'truncate_ip': rule__truncate_ip,
        'coarsen_date': rule__coarsen_date,
        'scrub_text': rule__scrub_text,
    } -%}
    {%- if name not in by_name -%}
        {{ exceptions.raise_compiler_error("No macro for the rule '" ~ name ~ "'") }}
    {%- endif -%}
    {{ return(by_name[name](value, owner, type) | trim) }}
{%- endmacro %}
