{#- Whether any ruled column of a record is not in its masked form: not what its rule would make of it (of NULL,
    NULL). A record that is to be deleted is not masked for as long as it is there. -#}
{% macro not_yet_masked(spec, alias) -%}
    {%- if spec.rule == 'delete' -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set differing = [] -%}
    {%- for column in masked_columns(spec, alias) -%}
        {%- set differs = adapter.dispatch('differs', 'contributor_deletion') -%}
        {%- do differing.append('(' ~ differs(column.value, column.new_value) ~ ')') -%}
    {%- endfor -%}
    {{ return('(' ~ differing | join(' or ') ~ ')') }}
{%- endmacro %}

{#- Values of type json have no equality; those of jsonb have. -#}
{% macro postgres__differs(value, new_value) -%}
    {%- if new_value.endswith(' as json)') -%}
        cast({{ value }} as jsonb) is distinct from cast({{ new_value }} as jsonb)
    {%- else -%}
        {{ value }} is not null and {{ value }} is distinct from {{ new_value }}
    {%- endif -%}
{%- endmacro %}

{% macro clickhouse__differs(value, new_value) -%}
    {{ value }} is not null and not ({{ value }} <=> {{ new_value }})
{%- endmacro %}
