{#- The mask, a hyphen and the contributor's id: for columns that must stay unique. -#}
{% macro rule__unique(value, owner, type) -%}
    {{ return(adapter.dispatch('rule__unique', 'contributor_deletion')(value, owner)) }}
{%- endmacro %}

{% macro postgres__rule__unique(value, owner) -%}
    case
        when {{ value }} is null then null
        when starts_with({{ value }}, {{ mask_value() }} || '-') and {{ owner }} is null then {{ value }}
        else {{ mask_value() }} || coalesce('-' || {{ owner }}, '')
    end
{%- endmacro %}

{% macro clickhouse__rule__unique(value, owner) -%}
    {%- set id = subject_attribute('contributor_id', owner) -%}
    multiIf(
        {{ value }} is null, {{ value }},
        {{ id }} = '' and startsWith({{ value }}, concat({{ mask_value() }}, '-')), {{ value }},
        {{ id }} = '', {{ mask_value() }},
        concat({{ mask_value() }}, '-', {{ id }})
    )
{%- endmacro %}
