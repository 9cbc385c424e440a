{#- Whether any ruled field of a record is not in its masked form: not NULL, and not what its rule would make of it. -#}
{% macro not_yet_masked(spec, alias) -%}
    {{ return(adapter.dispatch('not_yet_masked', 'contributor_deletion')(spec, alias)) }}
{%- endmacro %}

{% macro postgres__not_yet_masked(spec, alias) -%}
    (
    {%- for field in spec.fields %}
        {%- set column = alias ~ '.' ~ field.name %}
        ({{ column }} is not null and {{ column }} is distinct from {{ rule(field, column, subject_id(spec, alias)) }})
        {%- if not loop.last %} or {% endif -%}
    {%- endfor %}
    )
{%- endmacro %}

{#- ALTER ... UPDATE knows no alias and no subject id: a rule that needs the subject is refused for ClickHouse. -#}
{% macro clickhouse__not_yet_masked(spec, alias) -%}
    (
    {%- for field in spec.fields %}
        ({{ field.name }} is not null and not ({{ field.name }} <=> {{ rule(field, field.name, none) }}))
        {%- if not loop.last %} or {% endif -%}
    {%- endfor %}
    )
{%- endmacro %}
